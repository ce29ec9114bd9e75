//! Answers, commands and time in any order: a member never joins before its owner has let go, and always comes to rest.
use std::collections::{BTreeMap, VecDeque};

use courant_protocol::error_code::ErrorCode;
use proptest::prelude::*;

use super::world::{Does, World, cut, follower, leader, ms, refused};
use crate::classic::Ticket;
use crate::event::MembershipEvent;

const CODES: [ErrorCode; 9] = [
    ErrorCode::NONE,
    ErrorCode::REBALANCE_IN_PROGRESS,
    ErrorCode::UNKNOWN_MEMBER_ID,
    ErrorCode::ILLEGAL_GENERATION,
    ErrorCode::NOT_COORDINATOR,
    ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode::MEMBER_ID_REQUIRED,
    ErrorCode::INVALID_SESSION_TIMEOUT,
    ErrorCode::COORDINATOR_NOT_AVAILABLE,
];

/// A member in a world where anything may come next.
struct Anything {
    world: World,
    out: VecDeque<Does>,
    /// What the owner was told and has not answered.
    told: VecDeque<MembershipEvent>,
    generation: i32,
}

impl Anything {
    fn new() -> Self {
        Self { world: World::new(), out: VecDeque::new(), told: VecDeque::new(), generation: 0 }
    }

    fn owes(&self) -> bool {
        self.told.iter().any(|event| matches!(event, MembershipEvent::Revoke | MembershipEvent::Lost))
    }

    fn say(&mut self) {
        while let Some(does) = self.world.does() {
            match &does {
                Does::Joins(..) => {
                    assert!(!self.owes(), "it joins while its owner still holds on to something")
                }
                Does::Beats(_, generation) => assert!(*generation >= 0, "nobody shows that it lives"),
                Does::Syncs(_, generation, _) => assert!(*generation >= 0),
                Does::Leaves(member) => assert!(!member.is_empty()),
            }
            self.out.push_back(does);
        }
    }

    fn hear(&mut self) {
        while let Some(event) = self.world.event() {
            self.told.push_back(event);
        }
    }

    fn answer(&mut self, does: Does, code: ErrorCode, leads: bool) {
        match does {
            Does::Joins(ticket, _) => self.answer_join(ticket, code, leads),
            Does::Syncs(ticket, ..) => self.world.synced(ticket, code),
            Does::Beats(ticket, _) => self.world.beaten(ticket, code),
            Does::Leaves(_) => self.world.classic.handle_left(),
        }
    }

    fn answer_join(&mut self, ticket: Ticket, code: ErrorCode, leads: bool) {
        if code != ErrorCode::NONE {
            return self.world.joined(ticket, refused(code));
        }
        self.generation += 1;
        let answer = if leads { leader(self.generation) } else { follower(self.generation) };
        self.world.joined(ticket, answer);
    }

    fn deal_with_one(&mut self) {
        match self.told.pop_front() {
            Some(MembershipEvent::Revoke | MembershipEvent::Lost) => {
                self.world.classic.revoked_done(self.world.now)
            }
            Some(MembershipEvent::Elect(_)) => {
                self.world.classic.elected(self.world.now, Ok(BTreeMap::new()))
            }
            Some(MembershipEvent::Assign(_)) => self.world.classic.assigned_done(),
            Some(MembershipEvent::Fatal(_)) => self.world.classic.retry(self.world.now, 0.5),
            Some(MembershipEvent::Unheard(_)) | None => {}
        }
    }

    fn happen(&mut self, what: u8, code: ErrorCode) {
        match what {
            0 | 1 => self.world.pass(ms(100)),
            2 => self.world.pass(ms(3_000)),
            3 => self.world.pass(ms(45_000)),
            4..=6 => self.deal_with_one(),
            7..=9 => {
                if let Some(does) = self.out.pop_front() {
                    self.answer(does, code, what == 9);
                }
            }
            10 => {
                // An answer that overtook others.
                if let Some(does) = self.out.pop_back() {
                    self.answer(does, code, true);
                }
            }
            11 => match self.out.pop_front() {
                Some(Does::Joins(ticket, _)) => {
                    self.world.classic.handle_join(self.world.now, ticket, Err(cut()), 0.5)
                }
                Some(other) => self.answer(other, ErrorCode::NOT_COORDINATOR, false),
                None => {}
            },
            12 => self.world.classic.request_rejoin("anything"),
            13 => self.world.classic.handle_commit_code(self.generation, code),
            14 => self.world.classic.stall(),
            15 => {
                self.world.classic.leave(true, "anything");
                self.told.clear();
            }
            _ => self.world.classic.join(self.world.now),
        }
        self.hear();
        self.say();
        self.hear();
    }
}

proptest! {
    #[test]
    fn a_member_joins_only_with_empty_hands_and_comes_to_rest(
        steps in prop::collection::vec((0_u8..17, 0_usize..CODES.len()), 1..120)
    ) {
        let mut anything = Anything::new();
        anything.happen(16, ErrorCode::NONE);
        for (what, code) in steps {
            anything.happen(what, CODES[code]);
        }
        // From here on the coordinator is kind and the owner quick.
        anything.happen(16, ErrorCode::NONE);
        for _ in 0..200 {
            anything.happen(4, ErrorCode::NONE);
            anything.happen(7, ErrorCode::NONE);
            anything.happen(0, ErrorCode::NONE);
        }
        prop_assert!(anything.world.classic.is_stable(), "{:?}", anything.world.classic);
    }
}
