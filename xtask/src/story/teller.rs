//! Tells what happens in plain words, with the time each sentence took, and keeps the score of the claims.

use std::time::Instant;

/// The narrator.
#[derive(Debug)]
pub struct Teller {
    began: Instant,
    scene_began: Instant,
    held: usize,
    broken: Vec<String>,
    scene: String,
}

impl Default for Teller {
    fn default() -> Self {
        let now = Instant::now();
        Self { began: now, scene_began: now, held: 0, broken: Vec::new(), scene: String::new() }
    }
}

impl Teller {
    /// Begins a scene.
    pub fn scene(&mut self, title: &str) {
        println!("\n{title}");
        title.clone_into(&mut self.scene);
        self.scene_began = Instant::now();
    }

    /// Tells what is done.
    pub fn says(&self, sentence: &str) {
        println!("  {:>6.2} s    {sentence}", self.scene_began.elapsed().as_secs_f64());
    }

    /// States what must hold, and whether it does.
    pub fn claims(&mut self, holds: bool, sentence: &str) {
        let mark = if holds { "✓" } else { "✗ NOT SO:" };
        println!("  {:>6.2} s  {mark} {sentence}", self.scene_began.elapsed().as_secs_f64());
        if holds {
            self.held += 1;
        } else {
            self.broken.push(format!("{}: {sentence}", self.scene));
        }
    }

    /// Sums up; whether every claim held.
    #[must_use]
    pub fn ends(&self) -> bool {
        println!();
        for claim in &self.broken {
            println!("not so: {claim}");
        }
        let all = self.held + self.broken.len();
        println!("{} of {all} claims held, {:.1} s for the story", self.held, self.began.elapsed().as_secs_f64());
        self.broken.is_empty() && all > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_claim_breaks_the_story() {
        let mut teller = Teller::default();
        assert!(!teller.ends(), "a story without claims proves nothing");
        teller.claims(true, "a door opens");
        assert!(teller.ends());
        teller.claims(false, "a door stays closed");
        assert!(!teller.ends());
    }
}
