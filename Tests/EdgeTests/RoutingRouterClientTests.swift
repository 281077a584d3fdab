// SPDX-License-Identifier: Apache-2.0

import Mesh
import Messaging
import NIOCore
import Placement
import Synchronization
import Testing
import Wire

@testable import Edge

@Suite("Asking routers")
struct RoutingRouterClientTests {
    private let links = ScriptedLinks()
    private let routing = RoutingState()
    private let slot = Slot(of: 5)

    private func client(timeout: Duration = .seconds(10)) -> RouterClient {
        RouterClient(routing: self.routing, links: self.links, requestTimeout: timeout, submitTimeout: timeout)
    }

    private func answer(_ answers: @escaping @Sendable (ScriptedLinks.Request) -> Void) {
        self.links.state.withLock {
            $0.answers = { request in
                answers(request)
                return true
            }
        }
    }

    private func resolve(_ client: RouterClient) async throws(Failure) -> ResolvedUsername {
        try await client.call(.resolveUsername, slot: self.slot, body: ResolveUsername(username: "ada"), timeout: nil)
    }

    @Test("A request goes to the owner with the epoch of its view")
    func owner() async throws {
        self.routing.adopt(SessionsFixture.news(routers: ["router-7"], epoch: 3))
        self.answer { request in
            #expect(request.router == "router-7")
            #expect(request.epoch == 3)
            #expect(request.kind == .resolveUsername)
            #expect((try? ResolveUsername(decoding: request.payload)) == ResolveUsername(username: "ada"))
            request.answer(ResolvedUsername(user: UserID(value: 1)))
        }
        #expect(try await self.resolve(self.client()) == ResolvedUsername(user: UserID(value: 1)))
    }

    @Test(
        "A refusal after an attempt that may have arrived does not say that nothing was done",
        arguments: [true, false]
    )
    func refusedAfterLoss(mayHaveArrived: Bool) async throws {
        self.routing.adopt(SessionsFixture.news(routers: ["router-1"], epoch: 1))
        let attempts = Mutex(0)
        self.answer { request in
            if attempts.withLock({ count in
                defer { count += 1 }; return count
            }) == 0 {
                request.lose(.linkLost, mayHaveArrived: mayHaveArrived)
            } else {
                request.fail(Failure(.unavailable, "away", retryAfterMilliseconds: 70))
            }
        }
        do throws(Failure) {
            _ = try await self.resolve(self.client())
            Issue.record("no failure")
        } catch {
            #expect(error.code == (mayHaveArrived ? .outcomeUnknown : .unavailable))
            #expect(error.retryAfterMilliseconds == 70)
        }
    }

    @Test("After moved, the news are adopted and the new owner is asked")
    func moved() async throws {
        self.routing.adopt(SessionsFixture.news(routers: ["router-1"], epoch: 1))
        self.answer { request in
            if request.router == "router-1" {
                request.moved(SessionsFixture.news(routers: ["router-2"], epoch: 2))
            } else {
                #expect(request.epoch == 2)
                request.answer(ResolvedUsername(user: nil))
            }
        }
        #expect(try await self.resolve(self.client()) == ResolvedUsername(user: nil))
    }

    @Test("Older news change nothing")
    func olderNews() {
        #expect(self.routing.adopt(SessionsFixture.news(routers: ["router-2"], epoch: 2)))
        #expect(!self.routing.adopt(SessionsFixture.news(routers: ["router-1"], epoch: 1)))
        #expect(self.routing.route(to: self.slot)?.router == "router-2")
    }

    @Test("The routing table is complete when every shard in use has a view with routers")
    func completeness() {
        #expect(!self.routing.isComplete)
        self.routing.adopt(RoutingNews(map: ShardMap(dealing: ["a", "b"]), views: []))
        #expect(!self.routing.isComplete)
        self.routing.adopt(RoutingNews(map: nil, views: [View(shard: "a", epoch: 1, routers: ["r"])]))
        #expect(!self.routing.isComplete)
        self.routing.adopt(RoutingNews(map: nil, views: [View(shard: "b", epoch: 1, routers: [])]))
        #expect(!self.routing.isComplete)
        self.routing.adopt(RoutingNews(map: nil, views: [View(shard: "b", epoch: 2, routers: ["r"])]))
        #expect(self.routing.isComplete)
    }

    @Test(
        "What passes is waited for",
        arguments: [
            (MeshError.Code.notConnected, false), (.overloaded, false), (.linkLost, true), (.answerLost, true),
        ]
    )
    func passing(code: MeshError.Code, mayHaveArrived: Bool) async throws {
        self.routing.adopt(SessionsFixture.news(routers: ["router-1"], epoch: 1))
        let attempts = Mutex(0)
        self.answer { request in
            let attempt = attempts.withLock { count in
                count += 1
                return count
            }
            if attempt < 3 {
                request.lose(code, mayHaveArrived: mayHaveArrived)
            } else {
                request.answer(ResolvedUsername(user: nil))
            }
        }
        _ = try await self.resolve(self.client())
        #expect(attempts.withLock { $0 } == 3)
    }

    @Test("Out of time, a request that certainly never arrived is unavailable, any other has an unknown outcome")
    func outOfTime() async throws {
        let client = self.client(timeout: .milliseconds(60))
        let noRoute = await #expect(throws: Failure.self) { try await self.resolve(client) }
        #expect(noRoute?.code == .unavailable)
        #expect(noRoute?.retryAfterMilliseconds != nil)

        self.routing.adopt(SessionsFixture.news(routers: ["router-1"], epoch: 1))
        self.answer { $0.lose(.notConnected, mayHaveArrived: false) }
        let away = await #expect(throws: Failure.self) { try await self.resolve(client) }
        #expect(away?.code == .unavailable)

        // Once is enough, whatever the other attempts say.
        let attempts = Mutex(0)
        self.answer { request in
            let first = attempts.withLock { count in
                count += 1
                return count == 1
            }
            request.lose(first ? .linkLost : .notConnected, mayHaveArrived: first)
        }
        let unknown = await #expect(throws: Failure.self) { try await self.resolve(client) }
        #expect(unknown?.code == .outcomeUnknown)

        self.answer { $0.lose(.deadlineExceeded, mayHaveArrived: true) }
        let late = await #expect(throws: Failure.self) { try await self.resolve(client) }
        #expect(late?.code == .outcomeUnknown)
    }

    @Test("A failure of the router is the answer, and what cannot be understood an internal error")
    func failures() async throws {
        self.routing.adopt(SessionsFixture.news(routers: ["router-1"], epoch: 1))
        let refusal = Failure(.unavailable, "The shard is away.", retryAfterMilliseconds: 500)
        self.answer { $0.fail(refusal) }
        #expect(await #expect(throws: Failure.self) { try await self.resolve(self.client()) } == refusal)

        self.answer { $0.completion(.success(MeshResponse(status: 0, payload: ByteBuffer(bytes: [0xFF])))) }
        let garbage = await #expect(throws: Failure.self) { try await self.resolve(self.client()) }
        #expect(garbage?.code == .internal)

        self.answer { $0.completion(.success(MeshResponse(status: 99, payload: ByteBuffer()))) }
        let status = await #expect(throws: Failure.self) { try await self.resolve(self.client()) }
        #expect(status?.code == .internal)
    }

    @Test("Ids are grouped by owner and shard, asked at once, and regrouped when an owner has moved")
    func grouped() async throws {
        self.routing.adopt(
            RoutingNews(
                map: ShardMap(dealing: ["a", "b"]),
                views: [
                    View(shard: "a", epoch: 1, routers: ["router-1", "router-2"]),
                    View(shard: "b", epoch: 4, routers: ["router-2"]),
                ]
            )
        )
        let users = (0..<200).map { _ in UserID.generate() }
        let known = Set(users.dropFirst(10))
        let routing = self.routing
        let asked = Mutex<[[UserID]]>([])
        self.answer { request in
            guard let ids = (try? GetUsers(decoding: request.payload))?.users else {
                request.fail(Failure(.internal, "not read"))
                return
            }
            // Everything of the first shard goes to router-2 once router-1 was asked.
            if request.router == "router-1" {
                let view = View(shard: "a", epoch: 2, routers: ["router-2"])
                request.moved(RoutingNews(map: nil, views: [view]))
                return
            }
            for id in ids {
                #expect(routing.route(to: Slot(of: id.value))?.epoch == request.epoch || request.epoch == 1)
            }
            #expect(request.slot == Slot(of: ids[0].value).number)
            asked.withLock { $0.append(ids) }
            request.answer(
                UserList(
                    users: ids.filter(known.contains).map {
                        UserProfile(id: $0, username: "u", displayName: "d", createdAt: 1)
                    }
                )
            )
        }
        let found = try await self.client().users(users)
        #expect(Set(found.map(\.id)) == known)
        #expect(found.count == known.count)
        #expect(Set(asked.withLock { $0 }.flatMap { $0 }) == Set(users))
    }

    @Test("No ids are no request")
    func nothing() async throws {
        #expect(try await self.client().users([]).isEmpty)
    }

    @Test("A request for any router goes from one to the next until one answers")
    func anyRouter() {
        self.links.state.withLock { $0.routers = ["router-1", "router-2", "router-3"] }
        let asked = Mutex<[String]>([])
        self.answer { request in
            let count = asked.withLock { asked in
                asked.append(request.router)
                return asked.count
            }
            if count < 3 { request.lose(.linkLost, mayHaveArrived: true) } else { request.answer(Empty()) }
        }
        self.client().tellAnyRouter(.displaceSession, ByteBuffer())
        #expect(asked.withLock { Set($0) } == ["router-1", "router-2", "router-3"])
    }
}
