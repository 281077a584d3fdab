// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Testing
import Wire

@testable import Router

private let east = EdgeLife(edge: "edge-1", incarnation: Incarnation(value: 1))
private let west = EdgeLife(edge: "edge-2", incarnation: Incarnation(value: 2))
private let eastBefore = EdgeLife(edge: "edge-1", incarnation: Incarnation(value: 0))

private func parcel(_ seq: UInt64, _ list: MemberList, former: [UserID] = []) -> Parcel {
    Parcel(
        conversation: conversationID,
        content: .message(Message(submit(seq), seq: seq, createdAt: start)),
        members: list,
        formerMembers: former
    )
}

/// What was sent, in a form that can be compared.
private struct Sent: Hashable {
    var edge: String
    var seq: UInt64
    var recipients: Set<UserID>
    var isBroadcast = false
}

private func sent(_ actions: [Audience.Action]) -> [Sent] {
    actions.compactMap { action in
        guard case .send(let edge, let parcel, let recipients, _, let isBroadcast) = action,
            case .message(let message) = parcel.content
        else { return nil }
        return Sent(edge: edge, seq: message.seq, recipients: Set(recipients), isBroadcast: isBroadcast)
    }
}

private func lookUp(_ actions: [Audience.Action]) -> (token: UInt64, users: [UserID])? {
    for action in actions {
        if case .lookUp(_, let token, let users) = action { return (token, users) }
    }
    return nil
}

private func told(_ actions: [Audience.Action]) -> [(edge: String, update: AudienceUpdate)] {
    actions.compactMap { action in
        guard case .tell(let edge, let update) = action else { return nil }
        return (edge, update)
    }
}

private func sentNumbers(_ actions: [Audience.Action]) -> [String: UInt64] {
    actions.reduce(into: [:]) { numbers, action in
        if case .send(let edge, _, _, let number, _) = action { numbers[edge] = number }
    }
}

/// As edges do over a new link.
private func tell(_ audience: inout Audience, _ edges: [EdgeLife]) {
    for edge in edges { audience.registrationChanged(edge: edge.edge, isRegistered: true, takesAudiences: true) }
}

@Suite("Audience")
struct AudienceTests {
    private let list = members([1: .owner, 2: .member])

    private func audience() -> Audience {
        var audience = Audience()
        audience.linksChanged([east, west])
        tell(&audience, [east, west])
        return audience
    }

    @Test("An edge that could not register a session gets everything, though its marker still stands in Redis")
    func unregisteredSession() throws {
        var audience = self.audience()
        audience.registrationChanged(edge: "edge-2", isRegistered: false, takesAudiences: true)
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        let answer = Audience.Answer.found([user(1): [east]], complete: [east, west])
        let actions = audience.lookedUp(conversationID, token: token, answer: answer, now: start)
        #expect(
            Set(sent(actions)) == [
                Sent(edge: "edge-1", seq: 1, recipients: [user(1)]),
                Sent(edge: "edge-2", seq: 1, recipients: [user(1), user(2)], isBroadcast: true),
            ]
        )
    }

    @Test(
        "An edge that is registered with another Redis than the one that was asked gets everything",
        arguments: [("old", "new", true), ("new", "new", false), ("", "new", false), ("new", "", false)]
    )
    func anotherRegistry(told: String, asked: String, isUncertain: Bool) throws {
        var audience = self.audience()
        audience.registrationChanged(edge: "edge-2", isRegistered: true, takesAudiences: true, registry: told)
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        // The old primary still answers this router, and has a marker of the edge that is not old enough to have expired.
        let answer = Audience.Answer.found([user(1): [east]], complete: [east, west], registry: asked)
        let actions = audience.lookedUp(conversationID, token: token, answer: answer, now: start)
        #expect(sent(actions).filter(\.isBroadcast).map(\.edge) == (isUncertain ? ["edge-2"] : []))
    }

    @Test("An edge says anew over each link whether it is registered")
    func registrationBelongsToTheLink() throws {
        var audience = self.audience()
        audience.linksChanged([east])
        audience.linksChanged([east, west])
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        let answer = Audience.Answer.found([user(1): [east], user(2): [west]], complete: [east, west])
        let actions = audience.lookedUp(conversationID, token: token, answer: answer, now: start)
        #expect(sent(actions).filter(\.isBroadcast).map(\.edge) == ["edge-2"])
    }

    /// An audience that knows user 1 on edge-1 and user 2 on edge-2.
    private func resolved() throws -> Audience {
        var audience = self.audience()
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        let answer = Audience.Answer.found([user(1): [east], user(2): [west]], complete: [east, west])
        _ = audience.lookedUp(conversationID, token: token, answer: answer, now: start)
        return audience
    }

    @Test("The first message asks the registry for all members at once, the next ones ask nothing")
    func looksUpOnce() throws {
        var audience = self.audience()
        let question = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start)))
        #expect(Set(question.users) == [user(1), user(2)])
        let meanwhile = audience.deliver(parcel(2, self.list), now: start)
        #expect(meanwhile.isEmpty)
        let actions = audience.lookedUp(
            conversationID,
            token: question.token,
            answer: .found([user(1): [east], user(2): [east, west]], complete: [east, west]),
            now: start
        )
        #expect(
            Set(sent(actions)) == [
                Sent(edge: "edge-1", seq: 1, recipients: [user(1), user(2)]),
                Sent(edge: "edge-2", seq: 1, recipients: [user(2)]),
                Sent(edge: "edge-1", seq: 2, recipients: [user(1), user(2)]),
                Sent(edge: "edge-2", seq: 2, recipients: [user(2)]),
            ]
        )
        #expect(sent(actions).map(\.seq) == [1, 1, 2, 2])
        let later = audience.deliver(parcel(3, self.list), now: start + 3_600_000)
        #expect(sent(later).count == 2)
        #expect(audience.waitingCount == 0)
    }

    @Test("One frame per edge, however many members are there")
    func oneFramePerEdge() throws {
        let many = MemberList((1...200).map { Member(user: user($0), role: .member) }, version: 1)
        var audience = self.audience()
        let token = try #require(lookUp(audience.deliver(parcel(1, many), now: start))).token
        let locations = Dictionary(uniqueKeysWithValues: many.users.map { ($0, [east]) })
        let actions = audience.lookedUp(
            conversationID,
            token: token,
            answer: .found(locations, complete: [east, west]),
            now: start
        )
        #expect(sent(actions).count == 1)
        #expect(sent(actions).first?.recipients.count == 200)
    }

    @Test("Entries of an edge's earlier life, and of edges without a link, are void")
    func deadEntriesAreVoid() throws {
        var audience = self.audience()
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        let gone = EdgeLife(edge: "edge-9", incarnation: Incarnation(value: 9))
        let actions = audience.lookedUp(
            conversationID,
            token: token,
            answer: .found([user(1): [eastBefore], user(2): [gone]], complete: [east, west]),
            now: start
        )
        #expect(sent(actions).isEmpty)
    }

    @Test("A device that attached while the registry was asked is in the audience")
    func attachDuringLookUp() throws {
        var audience = self.audience()
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        _ = audience.attachmentChanged(edge: "edge-2", attached: [user(2)], detached: [])
        let actions = audience.lookedUp(
            conversationID,
            token: token,
            answer: .found([user(1): [east]], complete: [east, west]),
            now: start
        )
        #expect(sent(actions).contains(Sent(edge: "edge-2", seq: 1, recipients: [user(2)])))
    }

    @Test("Announcements keep a known audience right without asking again")
    func announcements() throws {
        var audience = try self.resolved()
        _ = audience.attachmentChanged(edge: "edge-1", attached: [user(2)], detached: [])
        _ = audience.attachmentChanged(edge: "edge-2", attached: [], detached: [user(2)])
        let actions = audience.deliver(parcel(2, self.list), now: start)
        #expect(sent(actions) == [Sent(edge: "edge-1", seq: 2, recipients: [user(1), user(2)])])
    }

    @Test("An edge that has not registered everything gets everything, and only for a moment without asking again")
    func incompleteEdge() throws {
        var audience = self.audience()
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        let actions = audience.lookedUp(
            conversationID,
            token: token,
            answer: .found([user(1): [east]], complete: [east]),
            now: start
        )
        #expect(
            Set(sent(actions)) == [
                Sent(edge: "edge-1", seq: 1, recipients: [user(1)]),
                Sent(edge: "edge-2", seq: 1, recipients: [user(1), user(2)], isBroadcast: true),
            ]
        )
        let later = audience.deliver(parcel(2, self.list), now: start + Audience.uncertainFor)
        #expect(lookUp(later) != nil)
    }

    @Test("Without Redis every linked edge gets every message")
    func redisAway() throws {
        var audience = self.audience()
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        let actions = audience.lookedUp(conversationID, token: token, answer: .failed, now: start)
        #expect(Set(sent(actions).map(\.edge)) == ["edge-1", "edge-2"])
        #expect(sent(actions).allSatisfy { $0.isBroadcast && $0.recipients == [user(1), user(2)] })
    }

    @Test("When links change nothing known is trusted, and nothing that waits is lost")
    func linksChanged() throws {
        var audience = try self.resolved()
        audience.linksChanged([east])
        let question = try #require(lookUp(audience.deliver(parcel(2, self.list), now: start)))
        audience.linksChanged([east, west])
        tell(&audience, [east, west])
        let again = try #require(
            lookUp(audience.lookedUp(conversationID, token: question.token, answer: .failed, now: start))
        )
        #expect(again.token != question.token)
        let late = audience.lookedUp(conversationID, token: question.token, answer: .failed, now: start)
        #expect(late.isEmpty)
        let actions = audience.lookedUp(
            conversationID,
            token: again.token,
            answer: .found([user(2): [west]], complete: [east, west]),
            now: start
        )
        #expect(sent(actions) == [Sent(edge: "edge-2", seq: 2, recipients: [user(2)])])
    }

    @Test("After a removal the former member gets nothing but the news of it")
    func removal() throws {
        var audience = try self.resolved()
        let without = members([1: .owner], version: 2)
        let news = audience.deliver(parcel(2, without, former: [user(2)]), now: start)
        #expect(lookUp(news) == nil, "nobody came")
        #expect(sent(news).contains(Sent(edge: "edge-2", seq: 2, recipients: [user(2)], isBroadcast: true)))
        let next = audience.deliver(parcel(3, without), now: start)
        #expect(sent(next) == [Sent(edge: "edge-1", seq: 3, recipients: [user(1)])])
    }

    @Test("What was decided under two lists of members is sent under its own, in order")
    func membersChangedDuringLookUp() throws {
        var audience = self.audience()
        let both = members([1: .owner, 2: .member], version: 1)
        let one = members([1: .owner], version: 2)
        let first = try #require(lookUp(audience.deliver(parcel(1, both), now: start)))
        _ = audience.deliver(parcel(2, one), now: start)
        let locations = [user(1): [east], user(2): [east]]
        let actions = audience.lookedUp(
            conversationID,
            token: first.token,
            answer: .found(locations, complete: [east, west]),
            now: start
        )
        #expect(
            sent(actions) == [
                Sent(edge: "edge-1", seq: 1, recipients: [user(1), user(2)]),
                Sent(edge: "edge-1", seq: 2, recipients: [user(1)]),
            ]
        )
    }

    @Test("An edge that does not know a session makes the audience be looked up again")
    func unknownSession() throws {
        var audience = try self.resolved()
        audience.forget([user(2)])
        let next = audience.deliver(parcel(2, self.list), now: start)
        #expect(lookUp(next) != nil)
    }

    @Test("At the bound of waiting parcels they go to every edge, in order, and none is lost")
    func waitingBound() throws {
        var audience = self.audience()
        _ = audience.deliver(parcel(1, self.list), now: start)
        for seq in 2...UInt64(Audience.waitingParcelsMax) {
            let actions = audience.deliver(parcel(seq, self.list), now: start)
            #expect(actions.isEmpty)
        }
        let overflow = sent(audience.deliver(parcel(UInt64(Audience.waitingParcelsMax) + 1, self.list), now: start))
        #expect(overflow.filter { $0.edge == "edge-1" }.map(\.seq) == Array(1...UInt64(Audience.waitingParcelsMax) + 1))
        #expect(audience.waitingCount == 0)
    }

    @Test("Audiences are let go over the bound")
    func conversationsBound() throws {
        var audience = self.audience()
        for number in 0..<UInt64(Audience.conversationsMax) + 100 {
            let id = ConversationID(value: UInt128(number))
            let first = Parcel(
                conversation: id,
                content: .message(Message(submit(1, to: id), seq: 1, createdAt: start)),
                members: self.list
            )
            let token = try #require(lookUp(audience.deliver(first, now: start))).token
            _ = audience.lookedUp(id, token: token, answer: .found([:], complete: [east, west]), now: start)
        }
        #expect(audience.conversationCount <= Audience.conversationsMax)
    }

    @Test("Many recipients are told to an edge once, with the second message, and then only who comes and goes")
    func numbers() throws {
        var audience = Audience(numberedFrom: 2)
        audience.linksChanged([east, west])
        tell(&audience, [east, west])
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        let answer = Audience.Answer.found([user(1): [east], user(2): [east, west]], complete: [east, west])
        #expect(told(audience.lookedUp(conversationID, token: token, answer: answer, now: start)).isEmpty)
        let first = audience.deliver(parcel(2, self.list), now: start)
        let update = try #require(told(first).first)
        #expect(told(first).count == 1, "one recipient on edge-2 is not worth a number")
        #expect(update.edge == "edge-1" && update.update.kind == .all && update.update.users.count == 2)
        #expect(sentNumbers(first) == ["edge-1": update.update.number, "edge-2": 0])
        #expect(told(audience.deliver(parcel(3, self.list), now: start)).isEmpty)
        let left = told(audience.attachmentChanged(edge: "edge-1", attached: [], detached: [user(2), user(3)]))
        #expect(left.map(\.update.kind) == [.detached])
        #expect(left.first?.update.users == [user(2)])
        let came = told(audience.attachmentChanged(edge: "edge-1", attached: [user(2), user(1)], detached: []))
        #expect(came.map(\.update.kind) == [.attached], "user 1 was there")
        audience.forget(conversations: [conversationID])
        #expect(lookUp(audience.deliver(parcel(4, self.list), now: start)) != nil)
    }

    @Test("An edge that does not understand numbers is named every recipient, and so is what not all of them get")
    func withoutNumbers() throws {
        var audience = Audience(numberedFrom: 1)
        audience.linksChanged([east, west])
        audience.registrationChanged(edge: "edge-1", isRegistered: true, takesAudiences: false)
        audience.registrationChanged(edge: "edge-2", isRegistered: true, takesAudiences: true)
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        let answer = Audience.Answer.found([user(1): [east], user(2): [west]], complete: [east, west])
        _ = audience.lookedUp(conversationID, token: token, answer: answer, now: start)
        let actions = audience.deliver(parcel(2, self.list), now: start)
        #expect(sentNumbers(actions)["edge-1"] == 0)
        #expect(sentNumbers(actions)["edge-2"] ?? 0 > 0)
        var again = parcel(1, self.list)
        again.laterMembers = [user(1)]
        #expect(sentNumbers(audience.deliver(again, now: start)) == ["edge-2": 0])
    }

    @Test("When members come and go only those who came are looked up, and edges are told of both by their numbers")
    func membersChange() throws {
        var audience = Audience(numberedFrom: 1)
        audience.linksChanged([east, west])
        tell(&audience, [east, west])
        let token = try #require(lookUp(audience.deliver(parcel(1, self.list), now: start))).token
        let answer = Audience.Answer.found([user(1): [east], user(2): [east]], complete: [east, west])
        _ = audience.lookedUp(conversationID, token: token, answer: answer, now: start)
        _ = audience.deliver(parcel(2, self.list), now: start)
        // User 2 goes, user 3 comes.
        let next = MemberList([Member(user: user(1), role: .owner), Member(user: user(3), role: .member)], version: 9)
        let changed = audience.deliver(parcel(3, next), now: start)
        let question = try #require(lookUp(changed))
        #expect(question.users == [user(3)])
        #expect(told(changed).map(\.update.kind) == [.detached])
        #expect(told(changed).first?.update.users == [user(2)])
        // Who comes meanwhile is not lost.
        #expect(audience.attachmentChanged(edge: "edge-2", attached: [user(1)], detached: []).isEmpty)
        let found = Audience.Answer.found([user(3): [east]], complete: [east, west])
        let actions = audience.lookedUp(conversationID, token: question.token, answer: found, now: start)
        #expect(
            told(actions).contains {
                $0.edge == "edge-1" && $0.update.kind == .attached && $0.update.users == [user(3)]
            }
        )
        let recipients = Dictionary(grouping: sent(actions), by: \.edge).mapValues { Set($0.flatMap(\.recipients)) }
        #expect(recipients == ["edge-1": [user(1), user(3)], "edge-2": [user(1)]])
        // Who went is not looked for any more, and nobody is looked up when nobody came.
        #expect(audience.attachmentChanged(edge: "edge-1", attached: [user(2)], detached: []).isEmpty)
        let alone = MemberList([Member(user: user(1), role: .owner)], version: 10)
        let last = audience.deliver(parcel(4, alone), now: start)
        #expect(lookUp(last) == nil)
        #expect(Set(sent(last).flatMap(\.recipients)) == [user(1)])
    }

    /// Two edges with sessions that come and go. What leaves the router goes exactly to those who have a session at that
    /// moment, whatever the registry said before, and in the order of `seq`.
    @Test("The audience is exact through any course of announcements and look-ups", arguments: 0..<50 as Range<UInt64>)
    func randomCourse(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        var audience = Audience(numberedFrom: seed.isMultiple(of: 2) ? 1 : Audience.numberedFrom)
        audience.linksChanged([east, west])
        tell(&audience, [east, west])
        // What each edge was told, by number.
        var known: [String: [UInt64: Set<UserID>]] = [:]
        var sessions: [EdgeLife: Set<UserID>] = [:]
        var questions: [(token: UInt64, answer: Audience.Answer)] = []
        var lastSent: UInt64 = 0
        var list = self.list
        var lists: [UInt64: MemberList] = [:]
        func registry() -> Audience.Answer {
            var found: [UserID: [EdgeLife]] = [:]
            for (edge, users) in sessions {
                for user in users { found[user, default: []].append(edge) }
            }
            return .found(found, complete: [east, west])
        }
        func takeNews(_ actions: [Audience.Action]) {
            for action in actions {
                switch action {
                case .tell(let edge, let update):
                    let users = known[edge]?[update.number] ?? []
                    switch update.kind {
                    case .all: known[edge, default: [:]][update.number] = Set(update.users)
                    case .attached: known[edge]?[update.number] = users.union(update.users)
                    case .detached: known[edge]?[update.number] = users.subtracting(update.users)
                    }
                case .send(let edge, _, let recipients, let number, _) where number > 0:
                    #expect(known[edge]?[number] == Set(recipients), "seed \(seed)")
                case .send, .lookUp, .settle, .finished: break
                case .sendThrough, .tellThrough: Issue.record("seed \(seed): nobody passes anything on here")
                }
            }
        }
        func carryOut(_ actions: [Audience.Action]) {
            takeNews(actions)
            if let question = lookUp(actions) {
                questions.append((question.token, registry()))
            }
            for (seq, frames) in Dictionary(grouping: sent(actions), by: \.seq).sorted(by: { $0.key < $1.key }) {
                #expect(seq > lastSent, "seed \(seed)")
                lastSent = seq
                for edge in [east, west] {
                    let got = frames.filter { $0.edge == edge.edge }.reduce(into: Set()) { $0.formUnion($1.recipients) }
                    let members = Set(lists[seq]?.users ?? [])
                    #expect(got == members.intersection(sessions[edge] ?? []), "seed \(seed) seq \(seq)")
                }
            }
        }
        for seq in 1...200 as ClosedRange<UInt64> {
            for edge in [east, west] {
                let person = user(UInt64.random(in: 1...4, using: &random))
                let isAttached = Bool.random(using: &random)
                if isAttached {
                    sessions[edge, default: []].insert(person)
                } else {
                    sessions[edge]?.remove(person)
                }
                takeNews(
                    audience.attachmentChanged(
                        edge: edge.edge,
                        attached: isAttached ? [person] : [],
                        detached: isAttached ? [] : [person]
                    )
                )
            }
            if UInt8.random(in: 0..<6, using: &random) == 0 {
                let users = (1...4).filter { _ in Bool.random(using: &random) }.map { user(UInt64($0)) }
                list = MemberList(users.map { Member(user: $0, role: .member) }, version: list.version + 1)
            }
            lists[seq] = list
            carryOut(audience.deliver(parcel(seq, list), now: start))
            if Bool.random(using: &random), !questions.isEmpty {
                let (token, answer) = questions.removeFirst()
                carryOut(audience.lookedUp(conversationID, token: token, answer: answer, now: start))
            }
            if UInt8.random(in: 0..<20, using: &random) == 0 {
                audience.linksChanged([east, west])
                tell(&audience, [east, west])
            }
        }
        while !questions.isEmpty {
            let (token, answer) = questions.removeFirst()
            carryOut(audience.lookedUp(conversationID, token: token, answer: answer, now: start))
        }
        #expect(audience.waitingCount == 0, "seed \(seed)")
    }
}
