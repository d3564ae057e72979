//! The commits record: what a segment remembers of the commits folded into it.
//!
//! Remembered are commits that shrank the database (so that pages of older segments do not come back), commits that are
//! kept for history, the newest, and recent ones that carry a request.

use alloc::vec::Vec;

use super::layout::{COMMIT_INFO_BYTES, COMMITS_MAX};
use crate::bytes::{Put, Reader};
use crate::ids::{CommitId, PageCount, RequestId};

/// What is remembered of one commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommitInfo {
    /// Which.
    pub commit: CommitId,
    /// The database's size after it.
    pub page_count: PageCount,
    /// Where it cut the database off, if it did: older versions of pages past this do not show through.
    pub cut: Option<PageCount>,
    /// When, in milliseconds since 1970; 0 if nobody said.
    pub time_ms: u64,
    /// The request that it carried.
    pub request: RequestId,
}

/// Stands for no cut.
const NO_CUT: u32 = u32::MAX;

/// A payload of these commits, in their order.
pub(crate) fn encode_commits(commits: &[CommitInfo]) -> Vec<u8> {
    let mut out = Vec::with_capacity(commits.len() * COMMIT_INFO_BYTES);
    for info in commits {
        out.put_u64(info.commit.0);
        out.put_u32(info.page_count.0);
        out.put_u32(info.cut.map_or(NO_CUT, |cut| cut.0));
        out.put_u64(info.time_ms);
        out.put(&info.request.0);
    }
    out
}

/// Commits in ascending order; `None` if a rule is broken.
///
/// FORMAT: commits-1
pub(crate) fn decode_commits(payload: &[u8]) -> Option<Vec<CommitInfo>> {
    if !payload.len().is_multiple_of(COMMIT_INFO_BYTES) || payload.len() / COMMIT_INFO_BYTES > COMMITS_MAX {
        return None;
    }
    let mut reader = Reader::new(payload);
    let mut commits: Vec<CommitInfo> = Vec::with_capacity(payload.len() / COMMIT_INFO_BYTES);
    while !reader.is_empty() {
        let commit = CommitId(reader.u64()?);
        let page_count = PageCount(reader.u32()?);
        let cut = Some(reader.u32()?).filter(|&cut| cut != NO_CUT).map(PageCount);
        if cut.is_some_and(|cut| cut > page_count) || commits.last().is_some_and(|last| last.commit >= commit) {
            return None;
        }
        commits.push(CommitInfo {
            commit,
            page_count,
            cut,
            time_ms: reader.u64()?,
            request: RequestId(reader.array()?),
        });
    }
    Some(commits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(commit: u64) -> CommitInfo {
        CommitInfo {
            commit: CommitId(commit),
            page_count: PageCount(5),
            cut: commit.is_multiple_of(2).then_some(PageCount(4)),
            time_ms: 1,
            request: RequestId([3; 16]),
        }
    }

    #[test]
    fn commits_round_trip_in_order_and_are_refused_out_of_order() {
        let commits = [info(1), info(2), info(9)];
        assert_eq!(decode_commits(&encode_commits(&commits)).as_deref(), Some(commits.as_slice()));
        assert_eq!(decode_commits(&encode_commits(&[info(2), info(1)])), None);
        assert_eq!(decode_commits(&encode_commits(&commits)[1..]), None);
    }
}
