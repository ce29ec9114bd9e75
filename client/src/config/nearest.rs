//! The known name that is most like a misspelt one.

/// The candidate with the fewest edits from `name`, if those are few enough to be a slip: up to a third of its letters.
#[doc(hidden)]
pub fn nearest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let most = (name.chars().count() / 3).max(2);
    let scored = candidates.map(|candidate| (edits(name, candidate), candidate));
    scored.filter(|(count, _)| *count <= most).min().map(|(_, candidate)| candidate)
}

/// How many letters must be inserted, dropped, replaced or swapped with their neighbour (optimal string alignment).
/// Case does not count, and `_` and `-` count as `.`, because environment variables and YAML write names so.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (letters(a).collect(), letters(b).collect());
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut above: Vec<usize> = (0..width).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = vec![i + 1; width];
        for (j, &y) in b.iter().enumerate() {
            let replaced = above[j] + usize::from(x != y);
            row[j + 1] = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && a[i - 1] == y {
                row[j + 1] = row[j + 1].min(before[j - 1] + 1);
            }
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

fn letters(text: &str) -> impl Iterator<Item = char> {
    text.chars().map(|c| if matches!(c, '_' | '-') { '.' } else { c.to_ascii_lowercase() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_name_and_a_stranger_finds_none() {
        let find = |name| nearest(name, ["linger.ms", "batch.size", "request.timeout.ms"].into_iter());
        assert_eq!(find("linger.sm"), Some("linger.ms"));
        assert_eq!(find("Linger_MS"), Some("linger.ms"));
        assert_eq!(find("batchsize"), Some("batch.size"));
        assert_eq!(find("request.timout"), Some("request.timeout.ms"));
        assert_eq!(find("colour"), None);
        assert_eq!(find(""), None);
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, count) in
            [("", "abc", 3), ("abc", "abc", 0), ("abcd", "acbd", 1), ("abc", "axc", 1), ("ca", "abc", 3)]
        {
            assert_eq!((edits(a, b), edits(b, a)), (count, count), "{a} {b}");
        }
    }
}
