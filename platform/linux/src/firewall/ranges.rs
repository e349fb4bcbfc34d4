//! Sets of numbers as sorted ranges: ports, addresses, interface names.

/// A set of numbers. Its ranges include both ends, are sorted, and neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    pub(crate) const EMPTY: Self = Self(Vec::new());

    /// From ranges in any order, which may overlap. A range that ends before it begins is empty.
    pub(crate) fn new(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.retain(|(first, last)| first <= last);
        ranges.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match joined.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    pub(crate) fn range(first: u128, last: u128) -> Self {
        Self::new(vec![(first, last)])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u128, u128)> + '_ {
        self.0.iter().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns how many numbers are in the set, or the greatest number if there are more.
    pub(crate) fn count(&self) -> u128 {
        self.iter().fold(0, |sum: u128, (first, last)| sum.saturating_add((last - first).saturating_add(1)))
    }

    pub(crate) fn contains(&self, number: u128) -> bool {
        self.from(number).first().is_some_and(|(first, _)| *first <= number)
    }

    /// The ranges that end at this number or after it.
    fn from(&self, number: u128) -> &[(u128, u128)] {
        self.0.get(self.0.partition_point(|(_, last)| *last < number)..).unwrap_or_default()
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut left, mut right) = (self.0.as_slice(), other.0.as_slice());
        if let (Some((first, _)), Some((start, _))) = (left.first(), right.first()) {
            (left, right) = (self.from(*start), other.from(*first));
        }
        while let (Some((a, b)), Some((c, d))) = (left.first(), right.first()) {
            if a.max(c) <= b.min(d) {
                both.push((*a.max(c), *b.min(d)));
            }
            if b < d {
                left = left.get(1..).unwrap_or_default();
            } else {
                right = right.get(1..).unwrap_or_default();
            }
        }
        Self(both)
    }

    pub(crate) fn without(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for (first, last) in self.iter() {
            let mut next = Some(first);
            for (start, end) in other.from(first).iter().take_while(|(start, _)| *start <= last) {
                if let Some(from) = next.filter(|from| from < start) {
                    left.push((from, start - 1));
                }
                next = end.checked_add(1);
            }
            left.extend(next.filter(|from| *from <= last).map(|from| (from, last)));
        }
        Self(left)
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        Self::new(self.iter().chain(other.iter()).collect())
    }

    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(first, last)| {
            self.from(first).first().is_some_and(|(start, end)| *start <= first && last <= *end)
        })
    }

    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        !self.intersection(other).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_operations_match_sets_of_bits() {
        let mut seed: u64 = 7;
        let mut random = move || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            u128::from(seed >> 58)
        };
        let bits = |set: &Ranges| (0..128).filter(|n| set.contains(*n)).fold(0_u128, |bits, n| bits | 1 << n);
        for _ in 0..2_000 {
            let mut set = || {
                Ranges::new(
                    (0..random() % 5).map(|_| (random(), random())).map(|(a, n)| (a, a + n % 9)).collect(),
                )
            };
            let (a, b) = (set(), set());
            assert_eq!(bits(&a.intersection(&b)), bits(&a) & bits(&b), "{a:?} {b:?}");
            assert_eq!(bits(&a.without(&b)), bits(&a) & !bits(&b), "{a:?} {b:?}");
            assert_eq!(bits(&a.union(&b)), bits(&a) | bits(&b), "{a:?} {b:?}");
            assert_eq!(a.covers(&b), bits(&b) & !bits(&a) == 0, "{a:?} {b:?}");
            assert_eq!(a.count(), u128::from(bits(&a).count_ones()), "{a:?}");
        }
    }

    #[test]
    fn ranges_end_at_the_greatest_number() {
        let all = Ranges::range(0, u128::MAX);
        assert!(all.without(&all).is_empty());
        assert_eq!(all.without(&Ranges::range(5, u128::MAX)), Ranges::range(0, 4));
        assert_eq!(all.count(), u128::MAX);
        assert!(Ranges::range(2, 1).is_empty());
    }
}
