//! Strict parser of `application/x-www-form-urlencoded`: refuses input that two parsers could read differently.

/// The most bytes of a form.
pub const MAX_BYTES: usize = 32 * 1024;
/// The most parameters of a form.
const MAX_PARAMETERS: usize = 32;

/// A form's parameters. Not printable, because they may be secrets.
pub struct Form(Vec<(String, String)>);

/// Reason why a form was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    #[error("the form has more than {MAX_BYTES} bytes")]
    TooLong,
    #[error("the form has more than {MAX_PARAMETERS} parameters")]
    TooMany,
    /// A percent sign without two hexadecimal digits, or text that is not UTF-8.
    #[error("the form's encoding is invalid")]
    Encoding,
    /// RFC 6749 section 3.1: not more than once.
    #[error("a parameter is repeated")]
    Repeated,
}

impl Form {
    /// Parses a form. A parameter without a value counts as omitted (RFC 6749 section 3.1).
    pub fn parse(body: &[u8]) -> Result<Self, FormError> {
        if body.len() > MAX_BYTES {
            return Err(FormError::TooLong);
        }
        let mut parameters: Vec<(String, String)> = Vec::new();
        for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if parameters.len() == MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(parts.next().unwrap_or_default()).ok_or(FormError::Encoding)?;
            let value = decode(parts.next().unwrap_or_default()).ok_or(FormError::Encoding)?;
            if parameters.iter().any(|(before, _)| *before == name) {
                return Err(FormError::Repeated);
            }
            parameters.push((name, value));
        }
        Ok(Self(parameters))
    }

    /// Returns the value of a parameter, if it is present.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

impl Drop for Form {
    fn drop(&mut self) {
        use zeroize::Zeroize;
        self.0.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

/// Decodes one name or value: `+` is a space, `%` and two digits are a byte; the result must be UTF-8.
pub(crate) fn decode(encoded: &[u8]) -> Option<String> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                // `from_str_radix` would take a sign.
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_the_standard_has_them() {
        let form =
            Form::parse(b"scope=openid+profile&login_hint=nurse%2D7&empty=&lone&m=%C3%A9%26%3D&&a=b=c")
                .unwrap();
        assert_eq!(form.get("scope"), Some("openid profile"));
        assert_eq!(form.get("login_hint"), Some("nurse-7"));
        assert_eq!(form.get("m"), Some("é&="));
        assert_eq!(form.get("a"), Some("b=c"));
        for left_out in ["empty", "lone", "none", ""] {
            assert_eq!(form.get(left_out), None, "{left_out}");
        }
        assert!(Form::parse(b"").is_ok());
    }

    #[test]
    fn rejects_ambiguous_forms() {
        let many: String = (0..=MAX_PARAMETERS).map(|n| format!("p{n}=1&")).collect();
        let long = vec![b'a'; MAX_BYTES + 1];
        let cases: &[(&[u8], FormError)] = &[
            (b"a=%", FormError::Encoding),
            (b"a=%4", FormError::Encoding),
            (b"a=%+1", FormError::Encoding),
            (b"a=%-1", FormError::Encoding),
            (b"a=%zz", FormError::Encoding),
            (b"%=a", FormError::Encoding),
            (b"a=%ff", FormError::Encoding),
            (b"a=\xff", FormError::Encoding),
            (b"a=%C3", FormError::Encoding),
            (b"a=1&a=2", FormError::Repeated),
            (b"a=1&%61=2", FormError::Repeated),
            (b"a=&a=2", FormError::Repeated),
            (many.as_bytes(), FormError::TooMany),
            (&long, FormError::TooLong),
        ];
        for (body, expected) in cases {
            assert_eq!(Form::parse(body).err().as_ref(), Some(expected), "{}", body.escape_ascii());
        }
    }

    #[test]
    fn form_encoding_round_trips() {
        let parameters = [("a b", "1+1=2&é%\u{1f512}\n\0"), ("c", "")];
        let encoded = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let form = Form::parse(encoded.as_bytes()).unwrap();
        assert_eq!(form.get("a b"), Some(parameters[0].1));
        assert_eq!(form.get("c"), None);
    }

    #[test]
    fn no_bytes_make_it_fail_otherwise() {
        // Every form of up to three bytes out of those that mean something, in every order.
        let alphabet = b"a=&+%4\xff\0";
        let mut forms: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..5 {
            let longer = forms
                .iter()
                .flat_map(|form| alphabet.iter().map(|byte| [form.as_slice(), &[*byte]].concat()));
            let longer: Vec<_> = longer.collect();
            for form in &longer {
                if let Ok(form) = Form::parse(form) {
                    assert!(form.0.iter().all(|(name, value)| name.len() + value.len() <= 5));
                }
            }
            forms = longer;
        }
    }
}
