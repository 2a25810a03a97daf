//! What somebody may have meant by a name that does not exist. A far-fetched guess is worse than none.

/// Letters of a name's beginning that are enough to know it by.
const BEGINNING: usize = 3;

/// The name among these that is nearly this one, if any is.
pub fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.into_iter().filter(|known| is_near(given, known));
    near.min_by_key(|known| distance(given, known))
}

/// Whether one name may be meant by the other: at most one letter in three is wrong, missing, too many or out of order, or
/// it is the beginning.
pub fn is_near(given: &str, known: &str) -> bool {
    let longer = given.chars().count().max(known.chars().count());
    let is_beginning = given.chars().count() >= BEGINNING && known.starts_with(given);
    is_beginning || distance(given, known).saturating_mul(3) <= longer
}

fn distance(given: &str, known: &str) -> usize {
    strsim::damerau_levenshtein(&given.to_lowercase(), &known.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nearly_a_name_is_found_and_nothing_far_fetched() {
        for (given, known) in [
            ("tresury", "treasury"),
            ("Treasury", "treasury"),
            ("walet", "wallet"),
            ("lst", "list"),
            ("thresh", "threshold"),
            ("round_timeut", "round_timeout"),
            ("nats.uri", "nats.url"),
        ] {
            assert!(is_near(given, known), "{given} {known}");
        }
        for (given, known) in [
            ("seconds", "json"),
            ("foo", "log_format"),
            ("p256", "secp256k1"),
            ("nonsense", "node"),
            ("a", "b"),
            ("w", "wallet"),
            ("", "id"),
        ] {
            assert!(!is_near(given, known), "{given} {known}");
        }
        assert_eq!(nearest("tresury", ["treasure", "treasury", "vault"]), Some("treasury"));
        assert_eq!(nearest("x", ["treasury"]), None);
    }
}
