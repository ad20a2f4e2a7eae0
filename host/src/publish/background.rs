//! The jobs that run in the background of this process, and when each is due.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::store::JobStatus;
use crate::tenant_id::{TenantId, in_turns};

/// The number of followed jobs read in one query.
pub(super) const ASKED: usize = 500;

/// A job that is followed.
#[derive(Debug)]
struct Followed {
    tenant: TenantId,
    /// When it is due; None: it must be read again.
    at: Option<i64>,
}

/// The jobs that run in the background of this process.
#[derive(Debug, Default)]
pub(super) struct Background {
    /// By id.
    followed: Mutex<HashMap<String, Followed>>,
    runs: AtomicBool,
}

impl Background {
    /// Whether no task runs them yet. A caller that gets true must start the task.
    pub(super) fn begins(&self) -> bool {
        !self.runs.swap(true, Ordering::SeqCst)
    }

    pub(super) fn insert(&self, tenant: &TenantId, id: &str) {
        if let Ok(mut followed) = self.followed.lock() {
            followed.insert(id.to_owned(), Followed { tenant: tenant.clone(), at: None });
        }
    }

    /// The jobs due at `now`: of each tenant in turn the one that is longest due.
    pub(super) fn due(&self, now: i64) -> Vec<(TenantId, String)> {
        let Ok(followed) = self.followed.lock() else { return Vec::new() };
        let mut due: Vec<(i64, &String, &TenantId)> = followed
            .iter()
            .map(|(id, job)| (job.at.unwrap_or(i64::MIN), id, &job.tenant))
            .filter(|(at, _, _)| *at <= now)
            .collect();
        due.sort_unstable();
        let mut due = in_turns(due.into_iter().map(|(_, id, tenant)| (tenant.clone(), id.clone())).collect());
        due.truncate(ASKED);
        due
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.followed.lock().map(|followed| followed.keys().cloned().collect()).unwrap_or_default()
    }

    /// Stores the current due times of these jobs, and stops following jobs that no longer need it.
    pub(super) fn note(&self, asked: &[String], found: Vec<(String, JobStatus, Option<i64>)>) {
        let Ok(mut followed) = self.followed.lock() else { return };
        let mut found: HashMap<String, i64> = found
            .into_iter()
            // Workers query the id of a published job's post, and a paused job waits for a person.
            .filter(|(_, status, _)| *status == JobStatus::Active)
            .filter_map(|(id, _, wake_at)| Some((id, wake_at?)))
            .collect();
        for id in asked {
            match found.remove(id) {
                Some(wake_at) => {
                    if let Some(job) = followed.get_mut(id) {
                        job.at = Some(wake_at);
                    }
                }
                None => drop(followed.remove(id)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("job_{number}")).collect()
    }

    /// The ids of the jobs that are due.
    fn due(background: &Background, now: i64) -> Vec<String> {
        background.due(now).into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn a_tenant_with_many_due_jobs_leaves_room_for_the_others() {
        let background = Background::default();
        let (flood, quiet) = (TenantId::default(), "quiet".parse().unwrap());
        let ids = names(2 * ASKED);
        for id in &ids {
            background.insert(&flood, id);
        }
        background.note(&ids, ids.iter().map(|id| (id.clone(), JobStatus::Active, Some(1))).collect());
        let late = "late".to_owned();
        background.insert(&quiet, &late);
        background.note(std::slice::from_ref(&late), vec![(late.clone(), JobStatus::Active, Some(2))]);
        let due = due(&background, 3);
        assert_eq!((due.len(), due.iter().position(|id| *id == late)), (ASKED, Some(1)));
    }

    #[test]
    fn a_thousand_scheduled_jobs_ask_for_nothing_until_they_are_due() {
        let background = Background::default();
        let ids = names(1_000);
        for id in &ids {
            background.insert(&TenantId::default(), id);
        }
        assert_eq!(due(&background, 0).len(), ASKED, "what is not known yet is looked at, so many at once");
        let tomorrow = |id: &String| (id.clone(), JobStatus::Active, Some(86_400_000));
        background.note(&ids, ids.iter().map(tomorrow).collect());
        assert!(due(&background, 86_399_999).is_empty());
        assert_eq!(due(&background, 86_400_000).len(), ASKED);
        // Another process made one of them due.
        background.note(&ids[..1], vec![(ids[0].clone(), JobStatus::Active, Some(5))]);
        assert_eq!(due(&background, 10), ids[..1]);
        // It was changed in this process: it is read again.
        background.insert(&TenantId::default(), &ids[1]);
        assert_eq!(due(&background, 0), ids[1..2]);
    }

    #[test]
    fn what_waits_for_nobody_here_is_let_go() {
        let background = Background::default();
        let ids = names(4);
        for id in &ids {
            background.insert(&TenantId::default(), id);
        }
        let found = vec![
            (ids[0].clone(), JobStatus::Active, Some(7)),
            (ids[1].clone(), JobStatus::Paused, Some(7)),
            (ids[2].clone(), JobStatus::Published, Some(7)),
        ];
        background.note(&ids, found);
        assert_eq!(background.ids(), ids[..1]);
        assert!(background.begins() && !background.begins(), "one task drives them");
    }
}
