// SPDX-License-Identifier: Apache-2.0

import ClientProtocol
import Messaging
import NIOCore
import Placement
import Testing
import Wire

@testable import Edge

private func user(_ number: UInt64) -> UserID { UserID(value: UInt128(number)) }
private func watcher(_ number: UInt64, of owner: UInt64) -> PresenceWatches.Watcher {
    PresenceWatches.Watcher(session: SessionID(value: UInt128(number)), loop: 0, user: user(owner))
}
private func online(_ number: UInt64) -> ShownPresence { ShownPresence(user: user(number), status: .online) }
private let here = ConversationID(value: 0xC0)
private let there = ConversationID(value: 0xC1)

/// Lets expectations call what changes a value.
private final class Held<Value> {
    private var value: Value

    init(_ value: Value) {
        self.value = value
    }

    func callAsFunction<Result>(_ body: (inout Value) -> Result) -> Result {
        body(&self.value)
    }
}

@Suite("Presence watches")
struct PresenceWatchesTests {
    private func watching(
        _ watches: Held<PresenceWatches>,
        _ watcher: PresenceWatches.Watcher,
        _ lists: [ConversationID: Set<UserID>],
        id: CommandID = "w",
        now: UInt64 = 1
    ) -> PresenceWatches.Changes {
        #expect(watches({ $0.begin(watcher) }))
        for conversation in lists.keys { watches({ $0.askingBegan(conversation) }) }
        return watches({ $0.replace(watcher, id: id, lists, asked: Array(lists.keys), now: now) })
    }

    @Test("The answer waits for what is not known, and has all of it but the own presence")
    func answer() {
        let watches = Held(PresenceWatches())
        let ada = watcher(1, of: 1)
        var changes = self.watching(watches, ada, [here: [user(1), user(2), user(3)]])
        #expect(Set(changes.watched) == [user(1), user(2), user(3)] && changes.answers.isEmpty)
        #expect(watches({ $0.told([online(1)]) }).events.isEmpty, "nobody is told of themselves")
        #expect(watches({ $0.told([online(2)]) }) == PresenceWatches.Changes())
        changes = watches({ $0.told([online(3)]) })
        #expect(changes.answers == [.init(watcher: ada, id: "w", users: [online(2), online(3)])])
        #expect(changes.events.isEmpty, "the answer has it")
        changes = watches({ $0.told([ShownPresence(user: user(2), status: .busy), online(3)]) })
        #expect(changes.events.map(\.shown.user) == [user(2)] && changes.events[0].watchers == [ada])
        // What is known already is answered at once, to another session of another user.
        changes = self.watching(watches, watcher(2, of: 2), [here: [user(1), user(2), user(3)]])
        #expect(changes.watched.isEmpty)
        #expect(changes.answers.first?.users == [online(1), online(3)])
    }

    @Test("An answer that has waited long enough goes without what is missing, which comes as an event")
    func patience() {
        let watches = Held(PresenceWatches())
        let ada = watcher(1, of: 1)
        _ = self.watching(watches, ada, [here: [user(1), user(2)]])
        #expect(watches({ $0.tick(now: PresenceWatches.answerPatience) }).answers.isEmpty)
        #expect(watches({ $0.tick(now: 1 + PresenceWatches.answerPatience) }).answers.map(\.users) == [[]])
        #expect(watches({ $0.told([online(2)]) }).events.map(\.watchers) == [[ada]])
    }

    @Test("What was missed is told again of those who are still watched, to that session or that loop")
    func again() {
        let watches = Held(PresenceWatches())
        let ada = watcher(1, of: 1)
        var other = watcher(2, of: 2)
        other.loop = 1
        _ = self.watching(watches, ada, [here: [user(1), user(2), user(3)]])
        _ = self.watching(watches, other, [here: [user(1), user(2), user(3)]])
        _ = watches { $0.told([online(2), online(3)]) }
        let missed: Set<UserID> = [user(2), user(4)]
        #expect(watches({ $0.again(missed, for: ada) }).repeats == [.init(watcher: ada, users: [online(2)])])
        #expect(watches({ $0.again(missed, for: watcher(9, of: 1)) }) == PresenceWatches.Changes())
        #expect(
            watches({ $0.again([user(3)], onLoop: 1) }).events == [.init(shown: online(3), watchers: [other])]
        )
        _ = watches { $0.membersRemoved([user(2)], from: here) }
        #expect(watches({ $0.again(missed, for: ada) }) == PresenceWatches.Changes())
    }

    @Test("A new list replaces the old one, and a session that ended leaves nothing behind")
    func replacing() {
        let watches = Held(PresenceWatches())
        let ada = watcher(1, of: 1)
        _ = self.watching(watches, ada, [here: [user(1), user(2)]])
        let changes = self.watching(watches, ada, [there: [user(1), user(3)]], id: "x")
        #expect(changes.unwatched == [user(2)] && changes.watched == [user(3)])
        #expect(changes.answers.map(\.id) == ["w"], "the former command is answered too")
        #expect(Set(watches({ $0.ended(ada.session) }).unwatched) == [user(1), user(3)])
        #expect(watches({ $0.sessionCount }) == 0 && watches({ $0.userCount }) == 0)
        // A list that comes when the session is gone.
        #expect(watches({ $0.begin(ada) }))
        watches({ $0.askingBegan(here) })
        _ = watches({ $0.ended(ada.session) })
        let late = watches({ $0.replace(ada, id: "y", [here: [user(1), user(2)]], asked: [here], now: 1) })
        #expect(late == PresenceWatches.Changes() && watches({ $0.userCount }) == 0)
    }

    @Test("The list follows who comes and goes; a watcher who is removed watches no more")
    func membership() {
        let watches = Held(PresenceWatches())
        let ada = watcher(1, of: 1)
        let bob = watcher(2, of: 2)
        _ = self.watching(watches, ada, [here: [user(1), user(2)]])
        _ = self.watching(watches, bob, [here: [user(1), user(2)]])
        #expect(watches({ $0.membersAdded([user(3)], to: here, atMost: 10) }).watched == [user(3)])
        #expect(watches({ $0.membersAdded([user(4)], to: here, atMost: 3) }).watched.isEmpty, "at the bound")
        #expect(watches({ $0.membersRemoved([user(2)], from: here) }).unwatched == [user(2)])
        #expect(watches({ $0.told([online(3)]) }).events.map(\.watchers) == [[ada]], "Bob is gone")
        #expect(Set(watches({ $0.membersRemoved([user(1)], from: here) }).unwatched) == [user(1), user(3)])
        #expect(watches({ $0.userCount }) == 0)
        _ = self.watching(watches, ada, [here: [user(1), user(2)]])
        #expect(Set(watches({ $0.deleted(here) }).unwatched) == [user(1), user(2)])
    }

    @Test("Members are asked for again after a while, and at once when something happened while they were asked for")
    func verification() {
        let watches = Held(PresenceWatches())
        let ada = watcher(1, of: 1)
        let interval = PresenceWatches.verifyInterval
        _ = self.watching(watches, ada, [here: [user(1), user(2)]], now: interval)
        #expect(watches({ $0.verifications(now: interval + 1) }).isEmpty)
        #expect(watches({ $0.members(of: here, for: user(1), now: interval + 1) }) == [user(1), user(2)])
        #expect(
            watches({ $0.members(of: here, for: user(9), now: interval + 1) }) == nil,
            "a stranger's answer is the owner's"
        )
        let due = watches({ $0.verifications(now: 2 * interval) })
        #expect(due == [.init(conversation: here, actor: user(1))])
        #expect(watches({ $0.verifications(now: 2 * interval) }).isEmpty, "one question at a time")
        #expect(watches({ $0.verified(due[0], .members([user(1), user(3)]), now: 2 * interval) }).watched == [user(3)])
        // A link was interrupted.
        watches({ $0.distrust() })
        #expect(watches({ $0.verifications(now: 2 * interval + 1) }) == due)
        #expect(watches({ $0.verified(due[0], .failed, now: 2 * interval + 1) }) == PresenceWatches.Changes())
        // An event overtakes the answer.
        #expect(watches({ $0.begin(ada) }))
        watches({ $0.askingBegan(there) })
        _ = watches({ $0.membersAdded([user(5)], to: there, atMost: 10) })
        _ = watches({ $0.replace(ada, id: "x", [there: [user(1), user(2)]], asked: [there], now: 3 * interval) })
        #expect(watches({ $0.verifications(now: 3 * interval) }).map(\.conversation) == [there])
        let refused = watches({ $0.verified(.init(conversation: there, actor: user(1)), .refused, now: 3 * interval) })
        #expect(Set(refused.unwatched) == [user(1), user(2)] && watches({ $0.userCount }) == 0)
    }
}

@Suite("Typing throttle")
struct TypingThrottleTests {
    @Test("Typing goes on every few seconds, and its end once")
    func throttle() {
        let throttle = Held(TypingThrottle())
        let start = NIODeadline.uptimeNanoseconds(1)
        #expect(!throttle({ $0.passes(here, isTyping: false, now: start) }), "nothing began")
        #expect(throttle({ $0.passes(here, isTyping: true, now: start) }))
        #expect(!throttle({ $0.passes(here, isTyping: true, now: start + .seconds(2)) }))
        #expect(throttle({ $0.passes(here, isTyping: false, now: start + .seconds(2)) }))
        #expect(!throttle({ $0.passes(here, isTyping: false, now: start + .seconds(2)) }))
        #expect(
            !throttle({ $0.passes(here, isTyping: true, now: start + .milliseconds(2400)) }),
            "back and forth is one"
        )
        #expect(throttle({ $0.passes(here, isTyping: true, now: start + TypingThrottle.interval) }))
        for number in 1..<UInt128(TypingThrottle.conversationsMax) {
            #expect(throttle({ $0.passes(ConversationID(value: number), isTyping: true, now: start + .seconds(3)) }))
        }
        #expect(!throttle({ $0.passes(there, isTyping: true, now: start + .seconds(3)) }), "too many at once")
        #expect(throttle({ $0.passes(there, isTyping: true, now: start + .seconds(9)) }))
    }
}
