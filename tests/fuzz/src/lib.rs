//! Mutation fuzzing in ordinary tests, on a stable compiler: good inputs are bent, torn and spliced, and what a reader
//! accepts becomes material for the next. The same seed makes the same inputs, so a failure comes again.
//!
//! `VITALSIGN_FUZZ_ITER` says how many inputs each target gets, `VITALSIGN_FUZZ_SEED` which; a failing input is printed
//! in hexadecimal.

use std::fmt::Write;

/// Inputs for each target unless `VITALSIGN_FUZZ_ITER` says otherwise.
const ITERATIONS: u64 = 20_000;
/// The most inputs that are kept as material.
const MATERIAL: usize = 512;

/// Gives `target` the `good` inputs, then mutations of them; pieces of the `dictionary` are worked in. `target` panics
/// when something is wrong, and answers whether it accepted the input. At least one good input has to be accepted.
pub fn fuzz(name: &str, good: &[Vec<u8>], dictionary: &[&[u8]], mut target: impl FnMut(&[u8]) -> bool) {
    let iterations = number("VITALSIGN_FUZZ_ITER").unwrap_or(ITERATIONS);
    let seed = number("VITALSIGN_FUZZ_SEED").unwrap_or(1);
    let mut mutator = Mutator { random: Random(seed), material: good.to_vec(), dictionary };
    let mut accepted: u64 = 0;
    for input in good {
        accepted += u64::from(guarded(name, input, &mut target));
    }
    assert!(accepted > 0, "{name}: no good input was accepted");
    for _ in 0..iterations {
        let input = mutator.next();
        if guarded(name, &input, &mut target) {
            accepted += 1;
            mutator.keep(input);
        }
    }
    println!("fuzz: {name}: {iterations} inputs, {accepted} accepted, seed {seed}");
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Runs `target`, and prints the input when it panics.
fn guarded(name: &str, input: &[u8], target: &mut impl FnMut(&[u8]) -> bool) -> bool {
    struct Guard<'a>(&'a str, &'a [u8]);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let hex = self.1.iter().fold(String::new(), |mut hex, byte| {
                    let _ = write!(hex, "{byte:02x}");
                    hex
                });
                eprintln!("fuzz: {}: failing input of {} bytes: {hex}", self.0, self.1.len());
            }
        }
    }
    let _guard = Guard(name, input);
    target(input)
}

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    fn byte(&mut self) -> u8 {
        let [byte, ..] = self.next().to_le_bytes();
        byte
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }
}

struct Mutator<'a> {
    random: Random,
    material: Vec<Vec<u8>>,
    dictionary: &'a [&'a [u8]],
}

impl Mutator<'_> {
    fn next(&mut self) -> Vec<u8> {
        let mut input = self.random.pick(&self.material).cloned().unwrap_or_default();
        for _ in 0..=self.random.below(4) {
            self.mutate(&mut input);
        }
        input
    }

    /// Keeps an accepted input, in place of another when there are many.
    fn keep(&mut self, input: Vec<u8>) {
        if self.material.len() < MATERIAL {
            self.material.push(input);
        } else if let Some(place) = (self.material).get_mut(self.random.below(MATERIAL)) {
            *place = input;
        }
    }

    fn mutate(&mut self, input: &mut Vec<u8>) {
        let at = self.random.below(input.len());
        let length = 1 + self.random.below(16);
        let end = (at + length).min(input.len());
        match self.random.below(10) {
            0 => {
                let bit = 1 << self.random.below(8);
                input.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bit);
            }
            1 => {
                let byte = self.random.byte();
                input.iter_mut().skip(at).take(1).for_each(|it| *it = byte);
            }
            // Lengths and counts live at their borders.
            2 => {
                let byte = *self.random.pick(&[0, 1, 0x17, 0x18, 0x7f, 0x80, 0xfe, 0xff]).unwrap_or(&0);
                let run = *self.random.pick(&[1, 2, 4, 8]).unwrap_or(&1);
                input.iter_mut().skip(at).take(run).for_each(|it| *it = byte);
            }
            3 => {
                let step = *self.random.pick(&[1, 0xff, 2, 0x10]).unwrap_or(&1);
                input.iter_mut().skip(at).take(1).for_each(|byte| *byte = byte.wrapping_add(step));
            }
            4 => drop(input.drain(at..end)),
            5 => {
                let run = input.get(at..end).unwrap_or_default().to_vec();
                input.splice(at..at, run);
            }
            6 => input.truncate(at),
            7 => {
                let random: Vec<u8> = (0..length).map(|_| self.random.byte()).collect();
                input.splice(at..at, random);
            }
            8 => {
                let word = self.random.pick(self.dictionary).copied().unwrap_or_default();
                let end = if self.random.below(2) == 0 { at } else { (at + word.len()).min(input.len()) };
                input.splice(at..end, word.iter().copied());
            }
            _ => {
                let other = self.random.pick(&self.material).cloned().unwrap_or_default();
                let from = self.random.below(other.len());
                input.truncate(at);
                input.extend(other.into_iter().skip(from));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs() {
        let inputs = || {
            let material = vec![b"one good input".to_vec(), b"another".to_vec()];
            let mut mutator = Mutator { random: Random(7), material, dictionary: &[b"word"] };
            (0..1_000).map(|_| mutator.next()).collect::<Vec<_>>()
        };
        assert_eq!(inputs(), inputs());
    }

    #[test]
    fn mutations_reach_a_branch_behind_two_bytes() {
        let mut reached = false;
        fuzz("itself", &[b"GET /".to_vec()], &[b"PUT"], |input| {
            reached |= input.starts_with(b"PUT") && input.ends_with(&[0xff]);
            input.contains(&b'/')
        });
        assert!(reached);
    }
}
