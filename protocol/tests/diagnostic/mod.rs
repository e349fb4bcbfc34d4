//! A reader of CBOR diagnostic notation (RFC 8949 section 8), as far as the published examples use it.

use std::borrow::Cow;
use vitalsign_protocol::cbor::Value;

/// The one item that `text` spells, or where reading stopped and why.
pub(crate) fn read(text: &str) -> Result<Value<'static>, String> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.item()?;
    reader.space();
    if reader.rest().is_empty() { Ok(value) } else { Err(reader.wrong("the end")) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn wrong(&self, wanted: &str) -> String {
        let near: String = self.rest().chars().take(20).collect();
        format!("{wanted} was expected at byte {}, before {near:?}", self.at)
    }

    /// Skips white space and `/ comments /`.
    fn space(&mut self) {
        loop {
            self.at += self.rest().len() - self.rest().trim_start().len();
            match self.rest().strip_prefix('/').and_then(|comment| comment.find('/')) {
                Some(end) => self.at += end + 2,
                None => return,
            }
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.wrong(token)) }
    }

    fn item(&mut self) -> Result<Value<'static>, String> {
        for (word, value) in
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)]
        {
            if self.take(word) {
                return Ok(value);
            }
        }
        if self.take("h'") {
            return self.hex();
        }
        if self.take("\"") {
            return self.string();
        }
        if self.take("[") {
            return self.list("]", Self::item).map(Value::Array);
        }
        if self.take("{") {
            let entries = self.list("}", |reader| {
                let key = reader.item()?;
                reader.expect(":")?;
                Ok((key, reader.item()?))
            });
            return entries.map(Value::Map);
        }
        self.number()
    }

    fn list<T>(&mut self, end: &str, one: impl Fn(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        while !self.take(end) {
            all.push(one(self)?);
            if !self.take(",") {
                self.expect(end)?;
                break;
            }
        }
        Ok(all)
    }

    /// Bytes in hexadecimal, with white space between them at will.
    fn hex(&mut self) -> Result<Value<'static>, String> {
        let end = self.rest().find('\'').ok_or_else(|| self.wrong("'"))?;
        let digits: Vec<u32> = (self.rest()[..end].chars())
            .filter(|c| !c.is_whitespace())
            .map_while(|c| c.to_digit(16))
            .collect();
        let bytes = digits.chunks_exact(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).unwrap());
        let value = Value::from(bytes.collect::<Vec<u8>>());
        self.at += end + 1;
        Ok(value)
    }

    /// Text, escaped as in JSON.
    fn string(&mut self) -> Result<Value<'static>, String> {
        let mut escaped = false;
        let end = self.rest().find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let end = end.ok_or_else(|| self.wrong("\""))?;
        let text: String =
            serde_json::from_str(&self.text[self.at - 1..=self.at + end]).map_err(|_| self.wrong("text"))?;
        self.at += end + 1;
        Ok(Value::Text(Cow::Owned(text)))
    }

    /// An integer, or a tag with its item in brackets.
    fn number(&mut self) -> Result<Value<'static>, String> {
        let negative = self.take("-");
        let digits = self.rest().find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest().len());
        let n: u64 = self.rest()[..digits].parse().map_err(|_| self.wrong("an item"))?;
        self.at += digits;
        if negative {
            return Ok(Value::Negative(n.checked_sub(1).ok_or_else(|| self.wrong("a number"))?));
        }
        if self.take("(") {
            let item = self.item()?;
            self.expect(")")?;
            return Ok(Value::Tag(n, Box::new(item)));
        }
        Ok(Value::Unsigned(n))
    }
}
