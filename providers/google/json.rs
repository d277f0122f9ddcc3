//! JSON as Google's servers write it: 64-bit integers are texts, and zeros are left out.

use serde_json::Value;

/// A count, whether it is written as a number or as a text.
pub(super) fn count(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => {
            number.as_u64().or_else(|| number.as_f64().filter(|n| (0.0..9e15).contains(n)).map(|n| n as u64))
        }
        _ => None,
    }
}

/// A text that is there and not empty.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// A list; one that is left out is empty.
pub(super) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn integers_may_be_texts() {
        let counts = [json!("9007199254740993"), json!(3), json!(3.0), json!(-1), json!("x"), json!(null)];
        assert_eq!(
            counts.each_ref().map(count),
            [Some(9_007_199_254_740_993), Some(3), Some(3), None, None, None]
        );
    }
}
