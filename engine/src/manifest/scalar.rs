//! What an unquoted YAML scalar means: the rules of the YAML library in `kubectl`.
//!
//! Those are YAML 1.1 with some of 1.2: `yes`, `on` and `y` are booleans, `0755` and `0o755` octal, `1_000` a
//! number, and dates are text.

use super::tree::Value;

/// The value of a plain scalar.
pub(super) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" | "yes" | "Yes" | "YES" | "y" | "Y" | "on" | "On" | "ON" => {
            Value::Bool(true)
        }
        "false" | "False" | "FALSE" | "no" | "No" | "NO" | "n" | "N" | "off" | "Off" | "OFF" => {
            Value::Bool(false)
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Value::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Value::Float(f64::NAN),
        _ => number(text).unwrap_or_else(|| Value::String(text.to_owned())),
    }
}

/// The text as a number.
fn number(text: &str) -> Option<Value> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return None;
    }
    let text = text.replace('_', "");
    if let Some(integer) = integer(&text) {
        return Some(integer);
    }
    if looks_like_float(&text) { text.parse().ok().map(Value::Float) } else { None }
}

/// An integer with an optional sign and one of the prefixes of Go.
fn integer(text: &str) -> Option<Value> {
    let (negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match unsigned.get(..2) {
        Some("0x" | "0X") => (16, &unsigned[2..]),
        Some("0o" | "0O") => (8, &unsigned[2..]),
        Some("0b" | "0B") => (2, &unsigned[2..]),
        Some(two) if two.starts_with('0') => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    // `from_str_radix` would take a second sign.
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        0_i64.checked_sub_unsigned(magnitude).map(Value::Int)
    } else {
        Some(i64::try_from(magnitude).map_or(Value::Uint(magnitude), Value::Int))
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn looks_like_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    exponent_fits && digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_mean_what_they_mean_to_kubectl() {
        for (text, value) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("yes", Value::Bool(true)),
            ("Off", Value::Bool(false)),
            ("y", Value::Bool(true)),
            ("42", Value::Int(42)),
            ("-7", Value::Int(-7)),
            ("1_000", Value::Int(1000)),
            ("0x1F", Value::Int(31)),
            ("0755", Value::Int(493)),
            ("0o755", Value::Int(493)),
            ("0b101", Value::Int(5)),
            ("-9223372036854775808", Value::Int(i64::MIN)),
            ("18446744073709551615", Value::Uint(u64::MAX)),
            ("08", Value::Float(8.0)),
            ("1.0", Value::Float(1.0)),
            ("1.", Value::Float(1.0)),
            (".5e-1", Value::Float(0.05)),
            ("6e3", Value::Float(6000.0)),
            ("18446744073709551616", Value::Float(18_446_744_073_709_551_616.0)),
        ] {
            assert_eq!(resolve(text), value, "{text}");
        }
        for text in ["90d", "2022-05-07", "1.2.3", "1e", ".", "-", "+-1", "0x", "0o8x", "NO WAY", "-.5.", "+"]
        {
            assert_eq!(resolve(text), Value::String(text.to_owned()), "{text}");
        }
    }
}
