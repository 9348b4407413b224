//! Which room a stay gets: by room type, the room that has been free the longest, a new one if all are taken.
//!
//! Taken in the order of arrival this needs as few rooms as there are stays at once (interval partitioning). Pure; never fails.

use std::collections::BTreeMap;

use jiff::civil::DateTime;

/// A wish for a room of a type from (inclusive) until (exclusive).
#[derive(Debug, Clone)]
pub struct Claim {
    /// The room type.
    pub kind: String,
    /// First instant, on the hotel's wall clock.
    pub from: DateTime,
    /// First instant after.
    pub until: DateTime,
}

/// Rooms by number in the plan, from 0: the claim at each index gets the room at that index of the first list; the second list has
/// each room's type.
#[must_use]
pub fn assign(claims: &[Claim]) -> (Vec<usize>, Vec<String>) {
    let mut order: Vec<usize> = (0..claims.len()).collect();
    order.sort_by_key(|index| claims.get(*index).map(|claim| (claim.from, *index)));
    let mut free_at: BTreeMap<&str, Vec<(usize, DateTime)>> = BTreeMap::new();
    let mut kinds = Vec::new();
    let mut given = vec![0; claims.len()];
    for index in order {
        let (Some(claim), Some(place)) = (claims.get(index), given.get_mut(index)) else { continue };
        let rooms = free_at.entry(claim.kind.as_str()).or_default();
        let free = rooms.iter_mut().filter(|(_, free)| *free <= claim.from).min_by_key(|(_, free)| *free);
        *place = match free {
            Some((room, free)) => {
                *free = claim.until;
                *room
            }
            None => {
                let room = kinds.len();
                kinds.push(claim.kind.clone());
                rooms.push((room, claim.until));
                room
            }
        };
    }
    (given, kinds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use jiff::civil::date;

    fn claim(kind: &str, from: i8, until: i8) -> Claim {
        Claim {
            kind: kind.into(),
            from: date(2015, 8, from).at(14, 0, 0, 0),
            until: date(2015, 8, until).at(12, 0, 0, 0),
        }
    }

    #[test]
    fn never_overlaps_and_wastes_no_room() {
        let claims = [claim("A", 1, 3), claim("A", 2, 4), claim("B", 1, 2), claim("A", 3, 5), claim("A", 4, 6)];
        let (given, kinds) = assign(&claims);
        assert_eq!(kinds.iter().filter(|kind| *kind == "A").count(), 2);
        assert_eq!(kinds.len(), 3);
        for (i, a) in claims.iter().enumerate() {
            assert_eq!(kinds[given[i]], a.kind);
            for (j, b) in claims.iter().enumerate().skip(i + 1) {
                assert!(given[i] != given[j] || a.until <= b.from || b.until <= a.from);
            }
        }
    }
}
