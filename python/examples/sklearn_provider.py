"""scikit-learn inside tunebench: trained and asked like any other model.

    pip install scikit-learn
"""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline, make_union

from tunebench import provider


class Sklearn(provider.Classifier):
    name, description = "tfidf", "logistic regression over words and letter sequences, by scikit-learn"

    def fit(self, texts, labels, *, C=10.0, seed=1):
        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
        self.model = make_pipeline(make_union(words, letters), LogisticRegression(C=C, max_iter=1000, random_state=seed))
        self.model.fit(texts, labels)

    def predict_proba(self, texts, labels):
        column = {name: i for i, name in enumerate(self.model.classes_)}
        rows = self.model.predict_proba(texts)
        return [[row[column[label]] if label in column else 0.0 for label in labels] for row in rows]


if __name__ == "__main__":
    provider.serve(Sklearn())
