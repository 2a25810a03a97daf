//! The parameters of a request's query. One that does not exist is refused, and so is one that is given twice.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::Uri;
use quorate_request::{ErrorBody, ErrorCode};

/// The parameters of a query that are not read yet.
#[derive(Debug)]
pub struct Parameters {
    left: Vec<(String, String)>,
    known: Vec<&'static str>,
}

fn malformed(message: impl Display) -> ErrorBody {
    ErrorBody::new(ErrorCode::MalformedRequest, format!("the query: {message}"))
}

impl Parameters {
    /// Those of a request.
    ///
    /// # Errors
    /// The caller's fault: the query is no list of names and values.
    pub fn of(target: &Uri) -> Result<Self, ErrorBody> {
        let Query(left) =
            Query::try_from_uri(target).map_err(|_| malformed("expected name=value, joined by &"))?;
        Ok(Self { left, known: Vec::new() })
    }

    /// Reads the parameter of this name, if it is given.
    ///
    /// # Errors
    /// The caller's fault: it is given twice, or its value is none.
    pub fn take<T: FromStr<Err: Display>>(&mut self, name: &'static str) -> Result<Option<T>, ErrorBody> {
        self.known.push(name);
        let mut values = self.left.extract_if(.., |(given, _)| given == name);
        let Some((_, value)) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(malformed(format!("{name} is given twice")));
        }
        value.parse().map(Some).map_err(|error| malformed(format!("{name}={value}: {error}")))
    }

    /// All have been read.
    ///
    /// # Errors
    /// The caller's fault: there is another one.
    pub fn end(self) -> Result<(), ErrorBody> {
        let Some((name, _)) = self.left.first() else { return Ok(()) };
        Err(malformed(match self.known.as_slice() {
            [] => format!("this path takes no parameters, so no `{name}`"),
            known => format!("there is no parameter `{name}`; known here: {}", known.join(", ")),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(query: &str) -> Result<(Option<bool>, Option<u16>), String> {
        let read = || {
            let mut parameters = Parameters::of(&format!("/path{query}").parse().unwrap())?;
            let values = (parameters.take("wait")?, parameters.take("count")?);
            parameters.end()?;
            Ok(values)
        };
        read().map_err(|error: ErrorBody| {
            assert_eq!(error.code, ErrorCode::MalformedRequest);
            error.message
        })
    }

    #[test]
    fn what_is_wrong_with_a_query_is_said_in_words_of_http() {
        assert_eq!(read(""), Ok((None, None)));
        assert_eq!(read("?"), Ok((None, None)));
        assert_eq!(read("?count=3&wait=false"), Ok((Some(false), Some(3))));
        assert_eq!(read("?w%61it=true"), Ok((Some(true), None)));
        for (query, message) in [
            ("?wiat=false", "the query: there is no parameter `wiat`; known here: wait, count"),
            ("?wait=no", "the query: wait=no: provided string was not `true` or `false`"),
            ("?wait", "the query: wait=: provided string was not `true` or `false`"),
            ("?wait=true&wait=true", "the query: wait is given twice"),
            ("?count=70000", "the query: count=70000: number too large to fit in target type"),
        ] {
            assert_eq!(read(query), Err(message.into()));
        }
        let none = Parameters::of(&"/path?x=1".parse().unwrap()).unwrap().end().unwrap_err();
        assert_eq!(none.message, "the query: this path takes no parameters, so no `x`");
    }
}
