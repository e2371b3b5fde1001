//! The name and password of a URL, as a header.

use hyper::header::HeaderValue;

/// `Authorization` for the part of a URL before the `@`, in which `%40` is an `@`.
pub(super) fn authorization(user_info: &str) -> HeaderValue {
    let mut plain = decoded(user_info);
    if !plain.contains(&b':') {
        plain.push(b':');
    }
    let encoded = format!("Basic {}", data_encoding::BASE64.encode(&plain));
    let mut value = HeaderValue::from_str(&encoded).unwrap_or(HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

/// Decodes `%40` and the like.
pub(super) fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = (first == b'%').then(|| after.get(..2)).flatten();
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let byte = digits
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::authorization;

    #[test]
    fn a_url_s_name_and_password_become_a_header() {
        for (user_info, expected) in [
            (
                "Aladdin:open%20sesame",
                "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
            ),
            ("u:p%40q%zz%", "Basic dTpwQHElenol"),
            ("name", "Basic bmFtZTo="),
            (":tk_1", "Basic OnRrXzE="),
        ] {
            assert_eq!(authorization(user_info), expected, "{user_info}");
        }
    }
}
