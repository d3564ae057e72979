//! What keeps a store small and in order: sealing, folding, merging, rewriting, exporting, verifying.

use coffer_store::{
    Codec, Commit, Compaction, Done, Inline, Job, Maintained, OpenMode, Options, PageNo, Scratch, SourceDevice,
    Storage, Store, Task,
};

use super::keys::slot_key;
use super::{Runner, Step, wrong};
use crate::content::Content;
use crate::plan::{draw_codec, draw_dictionary};
use crate::storage::{Crash, SimDevice, SimStorage};

/// A job that runs while commits go on.
pub(super) struct Aside {
    target: String,
    state: State,
}

/// Log files of a store without readers: one in use, and spares.
const LOGS_MAX: u64 = 4;

enum State {
    Running(Box<Task<SourceDevice<SimDevice>, SimDevice>>),
    Done(Done),
}

impl Runner {
    pub(super) fn seal(&mut self) -> Step {
        let result = self.store().seal_log();
        if self.tolerated("seal", result)? == Some(true) {
            // A log is only left behind whole.
            self.model.flush(self.model.head());
        }
        self.expect_head("sealing")
    }

    pub(super) fn begin_job(&mut self) -> Step {
        if self.aside.is_some() {
            return self.step_job();
        }
        let fold = self.rng.one_in(2);
        let result = if fold { self.store().fold_job() } else { self.store().compact_job(Compaction::Auto) };
        let Some(Some(job)) = self.tolerated("a job", result)? else { return Ok(()) };
        self.start(&job)
    }

    fn start(&mut self, job: &Job) -> Step {
        let target = job.target();
        self.note(|| format!("{job:?}"));
        let threads = 1 + self.rng.index(3);
        // As between workers of a browser: the job arrives as bytes.
        let Some(job) = self.tolerated("a job in bytes", Job::from_bytes(&job.to_bytes()))? else { return Ok(()) };
        let result = self.store().start_task(job, threads);
        match self.tolerated("starting a job", result)? {
            Some(task) => {
                self.aside = Some(Aside { target, state: State::Running(Box::new(task)) });
                Ok(())
            }
            None => self.give_back(&target),
        }
    }

    fn give_back(&mut self, target: &str) -> Step {
        let result = self.store().abandon_job(target);
        self.tolerated("abandoning a job", result).map(|_| ())
    }

    /// A part of the work; when it is done, commits may come before it is installed.
    pub(super) fn step_job(&mut self) -> Step {
        let Some(Aside { target, state }) = self.aside.take() else { return Ok(()) };
        match state {
            State::Running(mut task) => {
                let budget = self.rng.skewed(1 << 20);
                let mut entropy = self.rng.fork();
                let result = task.step(budget, &mut entropy, &Inline);
                let state = match self.tolerated("a step of a job", result)? {
                    Some(false) => State::Running(task),
                    Some(true) => {
                        let result = task.finish(&mut entropy);
                        let Some(done) = self.tolerated("finishing a job", result)? else {
                            return self.give_back(&target);
                        };
                        State::Done(done)
                    }
                    None => {
                        drop(task);
                        return self.give_back(&target);
                    }
                };
                self.aside = Some(Aside { target, state });
                Ok(())
            }
            State::Done(done) => {
                self.note(|| "install".to_string());
                let Some(done) = self.tolerated("a result in bytes", Done::from_bytes(&done.to_bytes()))? else {
                    return Ok(());
                };
                let result = self.store().install(&done);
                self.tolerated("installing a job", result)?;
                self.after_upkeep("installing")
            }
        }
    }

    pub(super) fn abandon_job(&mut self) -> Step {
        let Some(Aside { target, state }) = self.aside.take() else { return Ok(()) };
        drop(state);
        self.give_back(&target)?;
        self.expect_head("abandoning a job")
    }

    pub(super) fn maintain(&mut self) -> Step {
        if self.aside.is_some() {
            return self.step_job();
        }
        let budget = self.rng.skewed(4 << 20);
        let result = self.store().maintain(budget);
        self.tolerated("upkeep", result)?;
        self.after_upkeep("upkeep")
    }

    pub(super) fn checkpoint(&mut self) -> Step {
        // A job that runs aside holds the turn.
        while self.aside.is_some() && !self.disk.is_down() {
            self.step_job()?;
        }
        if self.disk.is_down() || self.broken {
            return Ok(());
        }
        let threads = 1 + self.rng.index(3);
        let result = self.store().checkpoint(&Inline, threads);
        // A log with spilled pages in it stays as it is.
        let spilled = self.txn.as_ref().is_some_and(|(_, change)| change.spilled);
        if self.tolerated("a checkpoint", result)?.is_some() && !spilled {
            self.model.flush(self.model.head());
        }
        self.after_upkeep("a checkpoint")
    }

    pub(super) fn after_upkeep(&mut self, what: &str) -> Step {
        if self.disk.is_down() || self.broken {
            return Ok(());
        }
        self.expect_head(what)?;
        self.compare_head(6)
    }
}

impl Runner {
    /// Verbs that rewrite want the store to themselves, also without a bit of upkeep that was begun.
    pub(super) fn take_turn(&mut self) -> Step<bool> {
        if self.aside.is_some() || self.txn.is_some() {
            return Ok(false);
        }
        // Each closed log takes two shares, and there can be scores of them.
        for _ in 0..1000 {
            let result = self.store().maintain(u64::MAX);
            match self.tolerated("upkeep", result)? {
                Some(Maintained { idle: true, .. }) => return Ok(true),
                Some(_) => {}
                None => return Ok(false),
            }
        }
        wrong!("upkeep never ends")
    }

    pub(super) fn compact(&mut self) -> Step {
        if self.aside.is_some() {
            return self.step_job();
        }
        let which = *self.rng.pick(&[Compaction::Auto, Compaction::All, Compaction::Stale]);
        let threads = 1 + self.rng.index(3);
        let result = self.store().compact(which, &Inline, threads);
        self.tolerated("compacting", result)?;
        self.after_upkeep("compacting")
    }

    pub(super) fn set_codec(&mut self) -> Step {
        let (hot, cold) = (draw_codec(&mut self.rng), draw_codec(&mut self.rng));
        let result = self.store().set_codec(hot, cold);
        if self.tolerated("changing the codec", result)?.is_some() && self.store().codecs() != (hot, cold) {
            wrong!("a codec was chosen and is not there");
        }
        self.after_upkeep("changing the codec")
    }

    pub(super) fn dictionary(&mut self) -> Step {
        if !self.take_turn()? {
            return Ok(());
        }
        let dictionary = match self.rng.below(3) {
            0 => None,
            1 => Some(draw_dictionary(&mut self.rng)),
            _ => {
                let mut scratch = std::mem::take(&mut self.scratch);
                let result = self.store().train_dictionary(4096, 1 << 20, &mut scratch);
                self.scratch = scratch;
                let Some(trained) = self.tolerated("training", result)? else { return Ok(()) };
                trained
            }
        };
        let result = self.store().embed_dictionary(dictionary.clone());
        if self.tolerated("embedding a dictionary", result)?.is_some() {
            let now = self.store().dictionary().map(<[u8]>::to_vec);
            let zstd = self.store().codecs().1.codec() == Codec::Zstd;
            if zstd && now != dictionary {
                wrong!("a dictionary was embedded and is not there");
            }
        }
        self.after_upkeep("embedding a dictionary")
    }

    /// One file with everything in it, opened elsewhere.
    pub(super) fn export(&mut self) -> Step {
        if self.aside.is_some() {
            return Ok(());
        }
        let elsewhere = SimStorage::new(1);
        let Ok(output) = elsewhere.open("export", OpenMode::Create) else { return Ok(()) };
        if elsewhere.flush_names().is_err() {
            return Ok(());
        }
        let result = self.store().export(None, output, &Inline, 2);
        let Some(done) = self.tolerated("exporting", result)? else { return Ok(()) };
        // The export is whole and flushed when it is reported.
        elsewhere.crash(Crash::DropAll);
        let file_bytes = elsewhere.bytes("export").map_or(0, |bytes| bytes.len() as u64);
        if file_bytes != done.file_bytes() {
            wrong!("an export says it has {} bytes and has {file_bytes}", done.file_bytes());
        }
        let own = std::mem::take(&mut self.scratch);
        let outcome = self.open_export(&elsewhere);
        self.scratch = own;
        outcome
    }

    /// Opens an export as a database of its own, compares it, writes to it, and finds that again.
    fn open_export(&mut self, elsewhere: &SimStorage) -> Step {
        let options = Options { base: Some("export".into()), ..self.options.clone() };
        let key = self.keys.now.slots.first().map(|(_, key)| slot_key(key));
        let mut content = None;
        for turn in 0..2 {
            let opened = Store::open(elsewhere.clone(), Box::new(self.rng.fork()), options.clone(), key.as_ref());
            let mut store = match opened {
                Ok((store, _)) => store,
                Err(error) => wrong!("an export does not open (turn {turn}): {error:?}"),
            };
            self.scratch = Scratch::default();
            let snapshot = store.snapshot();
            let commits_since = u64::from(content.is_some());
            if snapshot.commit().0 != self.model.head().0 + commits_since {
                wrong!("an export of {:?} shows {:?}", self.model.head(), snapshot.commit());
            }
            let (head, count) = (self.model.head(), self.model.page_count(self.model.head()));
            for page in (1..=count.saturating_add(1)).step_by(1 + count as usize / 60) {
                let expected = if page == 1 && content.is_some() { content } else { self.model.content(head, page) };
                self.compare("an export", page, expected, |page, out, scratch| snapshot.read(page, out, scratch))?;
            }
            let mut page = vec![0; self.options.page_size.bytes()];
            let drawn = Content::draw(&mut self.rng, 64);
            drawn.fill(&mut page);
            let mut txn = store.begin();
            let first = PageNo::new(1).map(|first| txn.write(first, &page));
            let committed = store.commit(txn, Commit::default());
            let closed = store.close();
            if first.is_none() || committed.is_err() || closed.is_err() {
                wrong!("an export takes no commit: {committed:?}, {closed:?}");
            }
            if turn == 1 {
                break;
            }
            content = Some(drawn);
        }
        Ok(())
    }

    /// A store that nobody uses and that has had its upkeep has no files but those it needs.
    pub(super) fn leave_nothing_behind(&mut self) -> Step {
        self.take_turn()?;
        self.reopen_cleanly()?;
        let segments = self.store().stats().segments;
        let files = self.disk.files();
        let count = |prefix: &str| files.iter().filter(|(name, _)| name.starts_with(prefix)).count() as u64;
        // One may be of a job that was interrupted, and is replaced by the next.
        if count("seg-") > segments + 1
            || count("log-") > LOGS_MAX
            || files.len() as u64 != 1 + count("seg-") + count("log-")
        {
            wrong!("{segments} segments are used, and these files are left: {files:?}");
        }
        Ok(())
    }

    pub(super) fn verify(&mut self) -> Step {
        let result = self.store().verify(|_| true);
        if let Some(verified) = self.tolerated("verifying", result)?
            && !self.faulty
            && !self.disk.is_down()
            && let Some(damage) = verified.damage.first()
        {
            wrong!("verifying found damage where there is none: {damage:?}, {} pages lost", verified.pages_lost.len());
        }
        Ok(())
    }

    pub(super) fn refresh(&mut self) -> Step {
        if !self.take_turn()? {
            return Ok(());
        }
        let result = self.store().refresh();
        if self.tolerated("refreshing", result)? == Some(true) {
            wrong!("refreshing found a commit of another process, and there is none");
        }
        self.after_upkeep("refreshing")
    }
}
