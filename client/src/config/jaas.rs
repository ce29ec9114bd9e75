//! `sasl.jaas.config`: a login module, a flag, and options, as in Java's JAAS files.
//!
//! `org.apache.kafka.common.security.plain.PlainLoginModule required username="alice" password="secret";`
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::str::Chars;

/// One login module of a JAAS configuration.
#[derive(PartialEq)]
pub(super) struct LoginModule {
    pub(super) class: String,
    pub(super) options: BTreeMap<String, String>,
}

/// Reads one module; says what is wrong without showing the text, which holds a secret.
pub(super) fn parse(text: &str) -> Result<LoginModule, &'static str> {
    let mut tokens = tokens(text)?.into_iter();
    let Some(Token::Word(class)) = tokens.next() else { return Err("the login module's class is missing") };
    match tokens.next() {
        Some(Token::Word(flag)) if FLAGS.iter().any(|known| known.eq_ignore_ascii_case(&flag)) => {}
        _ => return Err("after the class comes `required`, `requisite`, `sufficient` or `optional`"),
    }
    let mut options = BTreeMap::new();
    loop {
        let name = match tokens.next() {
            Some(Token::Word(name) | Token::Quoted(name)) => name,
            Some(Token::End) => break,
            Some(Token::Equals) => return Err("an option has no name"),
            None => return Err("the `;` at the end is missing"),
        };
        let (Some(Token::Equals), Some(Token::Word(value) | Token::Quoted(value))) =
            (tokens.next(), tokens.next())
        else {
            return Err("an option is written name=\"value\"");
        };
        options.insert(name, value);
    }
    match tokens.next() {
        None => Ok(LoginModule { class, options }),
        Some(_) => Err("only one login module is expected"),
    }
}

/// The configuration of SASL PLAIN for a name and a password.
pub(super) fn plain(username: &str, password: &str) -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("{PLAIN_MODULE} required username=\"{}\" password=\"{}\";", quoted(username), quoted(password))
}

/// Java's class for SASL PLAIN.
pub(super) const PLAIN_MODULE: &str = "org.apache.kafka.common.security.plain.PlainLoginModule";

const FLAGS: [&str; 4] = ["required", "requisite", "sufficient", "optional"];

enum Token {
    Word(String),
    Quoted(String),
    Equals,
    End,
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut rest = text.chars().peekable();
    let mut tokens = Vec::new();
    while let Some(c) = rest.next() {
        match c {
            c if c.is_whitespace() => {}
            '=' => tokens.push(Token::Equals),
            ';' => tokens.push(Token::End),
            '"' => tokens.push(Token::Quoted(quoted(&mut rest)?)),
            c => {
                let mut word = String::from(c);
                while let Some(c) = rest.next_if(|c| !c.is_whitespace() && !matches!(c, '=' | ';' | '"')) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

fn quoted(rest: &mut Peekable<Chars<'_>>) -> Result<String, &'static str> {
    let mut text = String::new();
    loop {
        match rest.next() {
            Some('"') => return Ok(text),
            Some('\\') => match rest.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(c) => text.push(c),
                None => return Err("a quote is not closed"),
            },
            Some(c) => text.push(c),
            None => return Err("a quote is not closed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_password_survive_the_way_there_and_back() {
        for (username, password) in [("alice", "secret"), ("a b", "p\"=\\;'\n"), ("", "")] {
            let module = parse(&plain(username, password)).ok().unwrap();
            assert_eq!(module.class, PLAIN_MODULE);
            assert_eq!(module.options.get("username").map(String::as_str), Some(username));
            assert_eq!(module.options.get("password").map(String::as_str), Some(password));
        }
    }

    #[test]
    fn words_need_no_quotes() {
        let module = parse("x.Y\n  required\n  username=alice password = secret ;").ok().unwrap();
        assert_eq!(module.class, "x.Y");
        assert_eq!(module.options.get("password").map(String::as_str), Some("secret"));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_secret() {
        let said = |text| parse(text).err().unwrap();
        assert_eq!(said(""), "the login module's class is missing");
        assert_eq!(
            said("x.Y username=\"a\";"),
            "after the class comes `required`, `requisite`, `sufficient` or `optional`"
        );
        assert_eq!(said("x.Y required a=\"b\""), "the `;` at the end is missing");
        assert_eq!(said("x.Y required a=\"b;"), "a quote is not closed");
        assert_eq!(said("x.Y required a b;"), "an option is written name=\"value\"");
        assert_eq!(said("x.Y required; z.Y required;"), "only one login module is expected");
    }
}
