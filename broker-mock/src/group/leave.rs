//! LeaveGroup: members that go, one or many, by member id or, for static ones, by instance id alone (KIP-345).
use courant_protocol::error_code::ErrorCode;
use courant_protocol::messages::leave_group::{MemberIdentity, MemberResponse};
use courant_protocol::wire::Str;

use super::board::{Board, Moment};
use super::classic::{Group, State};

impl Group {
    pub(super) fn leave(
        &mut self,
        board: &mut Board,
        at: Moment,
        leaving: &[MemberIdentity],
    ) -> Vec<MemberResponse> {
        let responses: Vec<MemberResponse> =
            leaving.iter().map(|identity| left(identity, self.leave_one(board, identity).err())).collect();
        if responses.iter().any(|response| response.error_code == 0) {
            match self.state {
                State::Stable | State::CompletingRebalance => self.prepare_rebalance(board, at),
                State::PreparingRebalance { .. } => self.complete_if_all_joined(board, at),
                State::Empty => {}
            }
        }
        responses
    }

    fn leave_one(&mut self, board: &mut Board, identity: &MemberIdentity) -> Result<(), ErrorCode> {
        let instance = identity.group_instance_id.as_deref();
        if identity.member_id.is_empty() {
            let member = instance.and_then(|instance| self.static_members.get(instance)).cloned();
            let member = member.ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
            self.dismiss(board, &member);
            return Ok(());
        }
        let member = Str::from(&*identity.member_id);
        if self.pending_join.contains(&member) {
            self.remove(&member);
            board.forget_member(&self.id, &member);
            return Ok(());
        }
        self.check_member(&member, instance)?;
        self.dismiss(board, &member);
        Ok(())
    }
}

/// How it went for one of those who leave.
pub(super) fn left(identity: &MemberIdentity, error: Option<ErrorCode>) -> MemberResponse {
    MemberResponse {
        member_id: identity.member_id.clone(),
        group_instance_id: identity.group_instance_id.clone(),
        error_code: error.map_or(0, |error| error.0),
    }
}
