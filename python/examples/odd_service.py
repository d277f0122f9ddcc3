"""A service with odd manners, behind tunebench: it wants the text in a form field, answers in XML, and says "busy" with 200.

Standard library only. In `tunebench.toml`:

    [providers.odd]
    kind = "command"
    command = ["python3", "odd_service.py"]
    env = ["ODD_KEY"]
    settings = { url = "http://127.0.0.1:8080/classify" }
"""

import os
import urllib.error
import urllib.parse
import urllib.request
from xml.etree import ElementTree

from tunebench import provider


class OddService(provider.Completer):
    models = [("odd-1", "a service that answers in XML")]
    url = ""

    def complete(self, request):
        form = urllib.parse.urlencode({"q": request["text"], "choices": "|".join(request["labels"])}).encode()
        call = urllib.request.Request(self.url, form, {"x-odd-key": os.environ["ODD_KEY"]})
        try:
            with urllib.request.urlopen(call, timeout=60) as response:
                answer = ElementTree.fromstring(response.read())
        except urllib.error.HTTPError as error:
            cause = {401: "access", 403: "access", 404: "not_found", 429: "rate_limit"}.get(error.code, "server")
            raise provider.Error(f"HTTP {error.code}", cause) from None
        except urllib.error.URLError as error:
            raise provider.Error(str(error.reason), "network") from None
        if answer.findtext("status") == "busy":
            raise provider.Error("the service is busy", "rate_limit", retry_after=1.0)
        return {"text": answer.findtext("class") or "", "model_version": answer.get("version")}


if __name__ == "__main__":
    provider.serve(OddService())
