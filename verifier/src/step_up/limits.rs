//! Limits of what applications may request, so that no application shuts out another, or wears a person down.

use super::StepUps;
use crate::store::Transaction;
use crate::store::step_up::{self, NewStepUp, Refusals, Waiting};
use vitalsign_protocol::problem::{Problem, ProblemType};

impl StepUps {
    /// Counts a request of an application.
    ///
    /// # Errors
    /// `rate-limited` with the time until the next one.
    pub(super) fn take_pace(&self, client: &str, now: u64) -> Result<(), Problem> {
        self.client_paces.take(client.to_owned(), now).map_err(|seconds| {
            let most = self.config.limits.step_ups_per_minute;
            limited(format!("This client requests more than {most} step-ups a minute."), seconds)
        })
    }

    /// Checks that the application may ask this person now. A person who does not exist is treated alike.
    ///
    /// # Errors
    /// `rate-limited` or `busy`, with the time after which the limit no longer applies.
    pub(super) async fn check_limits(
        &self,
        connection: &mut Transaction<'_>,
        new: &NewStepUp,
        now: u64,
    ) -> Result<(), Problem> {
        let limits = &self.config.limits;
        let Refusals { declined, not_mine } =
            step_up::refusals(connection, &new.login_hint, &new.client).await?;
        for (refused_at, pause, why) in [
            (not_mine, limits.not_mine_pause_seconds, "did not start an earlier request of this client"),
            (declined, limits.declined_pause_seconds, "declined the last request of this client"),
        ] {
            let over = refused_at.map_or(0, |at| at.saturating_add(pause));
            // A clock that was ahead must not pause for longer.
            if over > now && over - now <= pause {
                return Err(limited(format!("The person {why}."), over - now));
            }
        }
        let Waiting { of_client, of_all } =
            step_up::waiting_for(connection, &new.login_hint, &new.client, now).await?;
        if of_client.number >= limits.step_ups_per_client_and_user {
            let number = of_client.number;
            let why = format!("{number} step-ups of this client are pending for this person.");
            return Err(limited(why, of_client.next_expiry.saturating_sub(now)));
        }
        if of_all.number >= limits.step_ups_per_user {
            let why = "Too many step-ups of other clients are pending for this person.";
            let seconds = of_all.next_expiry.saturating_sub(now).max(1);
            return Err(Problem::new(ProblemType::Busy, why).retry_after(seconds));
        }
        Ok(())
    }
}

fn limited(why: String, seconds: u64) -> Problem {
    let seconds = seconds.max(1);
    Problem::new(ProblemType::RateLimited, format!("{why} Try again in {seconds} s.")).retry_after(seconds)
}
