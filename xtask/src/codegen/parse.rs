//! Reads a table.
//!
//! ```text
//! api 0 Produce
//!
//! request 3-13 flexible 9+
//!     TransactionalId string 3+ null 3+ default null
//!     TopicData []TopicProduceData 0+
//!         Name string 0-12 ignorable
//!     struct Shared 0+
//!         Host string 0+
//! ```
//!
//! A field is `Name type versions`, then any of `null VERSIONS`, `tag N`, `default VALUE`, `ignorable`. The fields
//! of a nested struct stand below it, four spaces further in; `struct` opens one that several fields share. Then
//! come `request` and `response`, each with its versions, `flexible N+`, and `offered VERSIONS` where a client
//! may not ask for all of them: Kafka has dropped the lower ones, may still change the upper, or gave up the API
//! (`offered none`).
use anyhow::{Context, Result, anyhow, bail, ensure};

use super::schema::{Api, Field, Kind, Side, Struct, Versions};

/// Reads the table of one API.
pub(crate) fn parse(text: &str) -> Result<Api> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(place, line)| Line { number: place + 1, text: line })
        .filter(|line| !line.text.trim().is_empty() && !line.text.starts_with('#'));
    let head = lines.next().context("the table is empty")?;
    let [key, name] = head.words_after("api")?.try_into().map_err(|_| anyhow!("`api KEY Name` expected"))?;
    let mut sides: Vec<(Line<'_>, Vec<Line<'_>>)> = Vec::new();
    for line in lines {
        match sides.last_mut() {
            Some((_, fields)) if line.depth() > 0 => fields.push(line),
            _ => sides.push((line, Vec::new())),
        }
    }
    let [request, response] = sides.as_slice() else { bail!("`request` and `response` expected") };
    let side = |(head, fields): &(Line<'_>, Vec<Line<'_>>), kind| {
        side(head, fields, name, kind).with_context(|| format!("line {}", head.number))
    };
    let (request, response) = (side(request, "Request")?, side(response, "Response")?);
    let mut api = Api { key: key.parse()?, name: name.to_owned(), request, response };
    name_apart(&mut api);
    Ok(api)
}

/// A line that says something.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn depth(self) -> usize {
        (self.text.len() - self.text.trim_start().len()) / 4
    }

    fn words(self) -> Vec<&'a str> {
        self.text.split_whitespace().collect()
    }

    fn words_after(self, first: &str) -> Result<Vec<&'a str>> {
        let words = self.words();
        match words.split_first() {
            Some((word, rest)) if *word == first => Ok(rest.to_vec()),
            _ => bail!("line {}: `{first}` expected", self.number),
        }
    }
}

fn side(head: &Line<'_>, lines: &[Line<'_>], api: &str, kind: &str) -> Result<Side> {
    let words = head.words_after(&kind.to_lowercase())?;
    let versions = versions(words.first().context("versions expected")?)?;
    let (mut flexible, mut offered) = (None, Some(versions));
    for option in words.get(1..).unwrap_or_default().chunks(2) {
        match option {
            ["flexible", first] => flexible = Some(first.trim_end_matches('+').parse()?),
            ["offered", "none"] => offered = None,
            ["offered", range] => offered = Some(self::versions(range)?),
            other => bail!("unknown words {other:?}"),
        }
    }
    let name = format!("{api}{kind}");
    let mut parser = Parser { lines, place: 0, all: versions, structs: Vec::new() };
    let fields = parser.fields(1, versions)?;
    ensure!(parser.place == lines.len(), "a line is too far in");
    let mut structs = vec![Struct { name: name.clone(), rust_name: name.clone(), versions, fields }];
    structs.append(&mut parser.structs);
    Ok(Side { name, versions, flexible, offered, structs })
}

struct Parser<'a> {
    lines: &'a [Line<'a>],
    place: usize,
    all: Versions,
    structs: Vec<Struct>,
}

impl Parser<'_> {
    /// The fields at `depth` from here on; their structs go to `self.structs`.
    fn fields(&mut self, depth: usize, within: Versions) -> Result<Vec<Field>> {
        let mut fields = Vec::new();
        while let Some(line) = self.lines.get(self.place).copied().filter(|line| line.depth() == depth) {
            self.place += 1;
            let field = self.line(line, depth, within).with_context(|| format!("line {}", line.number))?;
            fields.extend(field);
        }
        Ok(fields)
    }

    fn line(&mut self, line: Line<'_>, depth: usize, within: Versions) -> Result<Option<Field>> {
        let words = line.words();
        if let ["struct", name, _] = words.as_slice() {
            self.nested(name, depth, self.all)?;
            return Ok(None);
        }
        let field = field(&words)?;
        let seen = field.versions.intersection(within).context("a field of no version")?;
        let own_struct = self.lines.get(self.place).is_some_and(|next| next.depth() > depth);
        if let Some(name) = field.kind.struct_name().filter(|_| own_struct) {
            self.nested(name, depth, seen)?;
        }
        Ok(Some(field))
    }

    fn nested(&mut self, name: &str, depth: usize, versions: Versions) -> Result<()> {
        let place = self.structs.len();
        let fields = self.fields(depth + 1, versions)?;
        let one = Struct { name: name.to_owned(), rust_name: name.to_owned(), versions, fields };
        self.structs.insert(place, one);
        Ok(())
    }
}

fn field(words: &[&str]) -> Result<Field> {
    let [name, kind, range, options @ ..] = words else { bail!("`Name type versions` expected") };
    let mut field = Field {
        name: (*name).to_owned(),
        kind: parse_kind(kind),
        versions: versions(range)?,
        nullable: None,
        tag: None,
        default: None,
        ignorable: false,
    };
    let mut options = options.iter();
    while let Some(option) = options.next() {
        if *option == "ignorable" {
            field.ignorable = true;
            continue;
        }
        let value = options.next().with_context(|| format!("`{option}` needs a value"))?;
        match *option {
            "null" => field.nullable = Some(versions(value)?),
            "tag" => field.tag = Some(value.parse()?),
            "default" => field.default = Some((*value).to_owned()),
            _ => bail!("unknown word `{option}`"),
        }
    }
    Ok(field)
}

// tidy: one match
fn parse_kind(text: &str) -> Kind {
    match text {
        "bool" => Kind::Bool,
        "i8" => Kind::I8,
        "i16" => Kind::I16,
        "u16" => Kind::U16,
        "i32" => Kind::I32,
        "u32" => Kind::U32,
        "i64" => Kind::I64,
        "f64" => Kind::F64,
        "uuid" => Kind::Uuid,
        "string" => Kind::String,
        "bytes" => Kind::Bytes,
        "records" => Kind::Records,
        name => match name.strip_prefix("[]") {
            Some(element) => Kind::Array(Box::new(parse_kind(element))),
            None => Kind::Struct(name.to_owned()),
        },
    }
}

/// `3`, `3-7` or `3+`.
fn versions(text: &str) -> Result<Versions> {
    let (min, max) = match text.split_once('-') {
        Some((min, max)) => (min, max.parse()?),
        None => match text.strip_suffix('+') {
            Some(min) => (min, i16::MAX),
            None => (text, text.parse()?),
        },
    };
    Ok(Versions { min: min.parse()?, max })
}

/// Gives structs that request and response call alike two names in Rust.
fn name_apart(api: &mut Api) {
    for one in &mut api.request.structs {
        if let Some(twin) = api.response.structs.iter_mut().find(|other| other.name == one.name) {
            one.rust_name = format!("Request{}", one.name);
            twin.rust_name = format!("Response{}", one.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "api 7 Toy\n\nrequest 1-4 flexible 3+ offered 2-3\n    Topics []Topic 2+ null 3+ default null\n        Name string 0+\n    Flag bool 0+ tag 5 default true ignorable\nresponse 1-4 flexible 3+\n    Topics []Topic 0+\n        Id uuid 0+\n";

    #[test]
    fn a_table_becomes_an_api() -> Result<()> {
        let api = parse(TABLE)?;
        let request = api.request;
        assert_eq!((api.key, request.versions, request.flexible), (7, Versions { min: 1, max: 4 }, Some(3)));
        assert_eq!(request.offered, Some(Versions { min: 2, max: 3 }));
        let names: Vec<&str> = request.structs.iter().map(|one| one.rust_name.as_str()).collect();
        assert_eq!(names, ["ToyRequest", "RequestTopic"]);
        assert_eq!(request.structs[1].versions, Versions { min: 2, max: 4 });
        let flag = &request.structs[0].fields[1];
        assert_eq!((flag.tag, flag.default.as_deref(), flag.ignorable), (Some(5), Some("true"), true));
        Ok(())
    }

    #[test]
    fn a_wrong_word_is_an_error_with_its_line() {
        let error = parse("api 1 Toy\nrequest 0\n    Name string 0+ nul 1+\nresponse 0\n")
            .map_err(|error| format!("{error:#}"));
        assert_eq!(error.err().as_deref(), Some("line 2: line 3: unknown word `nul`"));
    }
}
