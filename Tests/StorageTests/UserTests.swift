// SPDX-License-Identifier: Apache-2.0

import Messaging
import Placement
import Storage
import TestSupport
import Testing

@Suite("Users, devices, lists")
struct UserTests {
    @Test("a username is given once; claiming it again for the same user is no error")
    func names() throws {
        let shard = try TestShard()
        let session = shard.session()
        let user = UserID.generate()
        let entries = [OutboxEntry.test, OutboxEntry(targetSlot: Slot(of: 9), kind: 2, payload: [])]
        let claimed = try session.registerName("ada", for: user, outbox: entries, now: 3, epoch: 1)
        let rows = try session.readOutbox(slots: nil, after: 0, limit: 10)
        #expect(claimed == .claimed(outbox: rows.map(\.id)))
        #expect(rows.map(\.entry) == entries)
        #expect(rows.map(\.createdAt) == [3, 3])
        #expect(rows.map(\.slot) == [Slot(ofName: "ada"), Slot(ofName: "ada")])
        #expect(try session.registerName("ada", for: .generate(), outbox: entries, now: 3, epoch: 1) == .taken)
        #expect(
            try session.registerName("ada", for: user, outbox: entries, now: 3, epoch: 1) == .claimed(outbox: [])
        )
        #expect(try shard.count("outbox") == 2)
        #expect(try session.resolveUsername("ada") == user)
        #expect(try session.resolveUsername("bob") == nil)
    }

    @Test("many claim one name at once: exactly one gets it")
    func nameRace() throws {
        let shard = try TestShard()
        let results = try Background.all(5) { _ in
            try shard.session().registerName("popular", for: .generate(), outbox: [.test], now: 1, epoch: 1)
        }
        #expect(results.filter { $0 == .taken }.count == 4)
        #expect(try shard.count("outbox") == 1)
    }

    @Test("a user is stored once, and found with and without the password's hash")
    func users() throws {
        let session = try TestShard().session()
        let profile = UserProfile(id: .generate(), username: "ada", displayName: "Ada ❤", createdAt: 77)
        #expect(try session.insertUser(profile, passwordHash: "hash", epoch: 1))
        #expect(try !session.insertUser(profile, passwordHash: "other", epoch: 1))
        #expect(try session.credentials(of: profile.id) == Credentials(profile: profile, passwordHash: "hash"))
        #expect(try session.credentials(of: .generate()) == nil)
        #expect(try session.profiles([.generate(), profile.id]) == [profile])
        #expect(try session.profiles([]).isEmpty)
    }

    @Test("presence: what is not given stays, times only grow, and nobody invisible is seen to leave")
    func presence() throws {
        let session = try TestShard().session()
        let profile = UserProfile(id: .generate(), username: "ada", displayName: "Ada", createdAt: 1)
        let ada = profile.id
        #expect(try session.setPresence(ada, status: .busy, visibility: nil, now: 5, epoch: 1) == nil)
        try session.insertUser(profile, passwordHash: "hash", epoch: 1)
        #expect(try session.presenceProfiles([ada, .generate()]) == [ada: PresenceProfile()])
        var expected = PresenceProfile(settings: PresenceSettings(status: .busy))
        #expect(try session.setPresence(ada, status: .busy, visibility: nil, now: 5, epoch: 1) == expected)
        expected.settings.visibility = .nobody
        #expect(try session.setPresence(ada, status: nil, visibility: .nobody, now: 5, epoch: 1) == expected)
        try session.writeLastSeen([(ada, 20), (.generate(), 20)], epoch: 1)
        try session.writeLastSeen([(ada, 10)], epoch: 1)
        expected.lastSeenAt = 20
        #expect(try session.presenceProfiles([ada]) == [ada: expected])
        expected.settings.status = .invisible
        expected.lastSeenAt = 30
        #expect(try session.setPresence(ada, status: .invisible, visibility: nil, now: 30, epoch: 1) == expected)
        #expect(try session.setPresence(ada, status: .invisible, visibility: nil, now: 40, epoch: 1) == expected)
        try session.writeLastSeen([(ada, 50)], epoch: 1)
        #expect(try session.presenceProfiles([ada]) == [ada: expected])
        #expect {
            try session.writeLastSeen([(ada, 60)], epoch: 2)
        } throws: { isStorageError($0, .staleEpoch) }
    }

    private struct Login {
        let session: ShardSession
        let user = UserID.generate()
        let device = DeviceID.generate()

        func put(_ hash: UInt8, expiresAt: UnixMilliseconds = 1000, now: UnixMilliseconds = 1) throws {
            try self.session.putDevice(
                user: self.user,
                device: self.device,
                name: "phone",
                type: "mobile",
                token: RefreshToken(hash: [hash], expiresAt: expiresAt),
                now: now,
                epoch: 1
            )
        }

        func rotate(_ hash: UInt8, to next: UInt8, now: UnixMilliseconds = 2) throws -> TokenRotation {
            try self.session.rotateRefreshToken(
                user: self.user,
                device: self.device,
                presentedHash: [hash],
                next: RefreshToken(hash: [next], expiresAt: now + 1000),
                now: now,
                epoch: 1
            )
        }
    }

    @Test("a refresh token works once; a used one makes all tokens of the device void")
    func reuse() throws {
        let shard = try TestShard()
        let login = Login(session: shard.session())
        try login.put(1)
        #expect(try login.rotate(9, to: 2) == .unknown)
        #expect(try login.rotate(1, to: 2) == .rotated)
        #expect(try login.rotate(2, to: 3) == .rotated)
        #expect(try login.rotate(1, to: 4) == .reused)
        #expect(try login.rotate(3, to: 5) == .unknown, "the tokens that followed are gone")
        #expect(try shard.count("refresh_tokens") == 0)
        try login.put(6)
        #expect(try login.rotate(6, to: 7) == .rotated, "logging in again is possible")
    }

    @Test("the same rotation sent again is no reuse")
    func repeatedRotation() throws {
        let login = Login(session: try TestShard().session())
        try login.put(1)
        #expect(try login.rotate(1, to: 2) == .rotated)
        #expect(try login.rotate(1, to: 2) == .rotated)
        #expect(try login.rotate(2, to: 3) == .rotated)
    }

    @Test("two present one token at once: one is served, the other is noticed")
    func rotationRace() throws {
        let shard = try TestShard()
        let user = UserID.generate()
        let device = DeviceID.generate()
        try shard.session().putDevice(
            user: user,
            device: device,
            name: "phone",
            type: "mobile",
            token: RefreshToken(hash: [1], expiresAt: 1000),
            now: 1,
            epoch: 1
        )
        let results = try Background.all(2) { index in
            try shard.session().rotateRefreshToken(
                user: user,
                device: device,
                presentedHash: [1],
                next: RefreshToken(hash: [UInt8(2 + index)], expiresAt: 1000),
                now: 2,
                epoch: 1
            )
        }
        #expect(Set(results) == [.rotated, .reused])
    }

    @Test("expired tokens are refused and cleared away, and used ones do not pile up")
    func expiry() throws {
        let shard = try TestShard()
        let login = Login(session: shard.session())
        try login.put(1, expiresAt: 50)
        #expect(try login.rotate(1, to: 2, now: 50) == .expired)
        try login.put(3, expiresAt: 5000, now: 60)
        #expect(try shard.count("refresh_tokens") == 1)
        for hash in UInt8(3)..<100 {
            #expect(try login.rotate(hash, to: hash + 1, now: 60 + UInt64(hash)) == .rotated)
        }
        #expect(try shard.count("refresh_tokens") == 33, "the 32 used last, and the one that follows them")
    }

    @Test("a revoked device has no tokens; another login makes it valid again")
    func revocation() throws {
        let shard = try TestShard()
        let login = Login(session: shard.session())
        try login.put(1)
        #expect(try login.session.revokeDevice(user: login.user, device: login.device, now: 5, epoch: 1))
        #expect(try !login.session.revokeDevice(user: login.user, device: login.device, now: 5, epoch: 1))
        #expect(try login.rotate(1, to: 2) == .unknown)
        #expect(try shard.count("devices", where: "revoked_at = 5") == 1)
        try login.put(3)
        #expect(try shard.count("devices", where: "revoked_at IS NULL") == 1)
        #expect(try login.rotate(3, to: 4) == .rotated)
    }

    @Test("news of memberships may arrive in any order and any number of times")
    func membershipOrder() throws {
        let session = try TestShard().session()
        let user = UserID.generate()
        let conversation = ConversationID.generate()
        func apply(_ version: UInt64, removed: Bool) throws -> Bool {
            try session.applyMembership(
                Membership(
                    user: user,
                    conversation: conversation,
                    kind: .group,
                    version: version,
                    removed: removed,
                    joinedAt: version
                ),
                epoch: 1
            )
        }
        func listed() throws -> Bool {
            try session.listUserConversations(user, after: nil, limit: 10) == [conversation]
        }
        #expect(try apply(3, removed: true), "the removal comes before the joining that it follows")
        #expect(try !listed())
        #expect(try !apply(2, removed: false))
        #expect(try !listed())
        #expect(try apply(5, removed: false))
        #expect(try listed())
        #expect(try !apply(5, removed: true))
        #expect(try !apply(4, removed: true))
        #expect(try listed())
        #expect(try apply(6, removed: true))
        #expect(try !listed())
    }

    @Test("a list comes in pages, the newest id first")
    func pages() throws {
        let session = try TestShard().session()
        let user = UserID.generate()
        let ids = (0..<7).map { _ in ConversationID.generate() }
        for id in ids.shuffled() {
            try session.applyMembership(
                Membership(user: user, conversation: id, kind: .group, version: 1, removed: false, joinedAt: 1),
                epoch: 1
            )
        }
        var found: [ConversationID] = []
        while true {
            let page = try session.listUserConversations(user, after: found.last, limit: 3)
            if page.isEmpty { break }
            #expect(page.count <= 3)
            found += page
        }
        #expect(found == ids.reversed())
        #expect(try session.listUserConversations(.generate(), after: nil, limit: 3).isEmpty)
    }

    @Test("the outbox is read by slot and from an id on, and deleting is repeatable")
    func outbox() throws {
        let session = try TestShard().session()
        #expect(try !session.hasOutbox())
        for name in ["ada", "bob", "cem"] {
            let entry = OutboxEntry(targetSlot: Slot(ofName: name), kind: 3, payload: Array(name.utf8))
            _ = try session.registerName(name, for: .generate(), outbox: [entry], now: 1, epoch: 1)
        }
        let all = try session.readOutbox(slots: nil, after: 0, limit: 10)
        #expect(all.map { String(decoding: $0.entry.payload, as: UTF8.self) } == ["ada", "bob", "cem"])
        #expect(try session.readOutbox(slots: nil, after: all[0].id, limit: 1) == [all[1]])
        let slots = [Slot(ofName: "ada"), Slot(ofName: "cem")]
        #expect(try session.readOutbox(slots: slots, after: 0, limit: 10) == [all[0], all[2]])
        #expect(try session.readOutbox(slots: [], after: 0, limit: 10).isEmpty)
        #expect(try session.hasOutbox())
        #expect(try session.deleteOutbox([all[0].id, all[2].id, 999], epoch: 1) == 2)
        #expect(try session.deleteOutbox([all[0].id], epoch: 1) == 0)
        #expect(try session.deleteOutbox([], epoch: 1) == 0)
        #expect(try session.readOutbox(slots: nil, after: 0, limit: 10) == [all[1]])
    }
}
