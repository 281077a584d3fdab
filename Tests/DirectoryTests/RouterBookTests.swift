// SPDX-License-Identifier: Apache-2.0

import Directory
import Messaging
import Testing

@Suite("The routers that a node should have a link to")
struct RouterBookTests {
    private static let start = ContinuousClock.now
    private static let listed = RouterBook.Entry(name: "router-1", host: "10.0.0.1", port: 7100)

    private var book = RouterBook(own: "router-9", listed: [Self.listed])

    private func lease(_ name: String, _ role: NodeRole = .router, mesh: String?) -> NodeLease {
        NodeLease(
            name: name,
            incarnation: .generate(),
            role: role,
            state: .starting,
            meshAddress: mesh,
            httpAddress: nil,
            version: "0",
            since: 0
        )
    }

    private mutating func read(_ leases: [NodeLease], linked: Set<String> = [], after time: Duration = .zero) -> Bool {
        self.book.leasesRead(leases, linked: linked, now: Self.start + time)
    }

    private var names: [String] { self.book.entries.map(\.name) }

    @Test("Those of the file are there from the beginning, those with a lease come along")
    mutating func joins() {
        #expect(self.book.entries == [Self.listed])
        let leases = [self.lease("router-2", mesh: "10.0.0.2:7100"), self.lease("edge-1", .edge, mesh: nil)]
        let first = self.read(leases)
        #expect(first && self.names == ["router-1", "router-2"])
        let second = self.read(leases)
        #expect(!second, "nothing has changed")
    }

    @Test("It is not in its own book")
    mutating func own() {
        let changed = self.read([self.lease("router-9", mesh: "10.0.0.9:7100")])
        #expect(!changed && self.names == ["router-1"])
    }

    @Test("What a router says of itself wins over the file")
    mutating func moved() {
        let changed = self.read([self.lease("router-1", mesh: "[fd00::1]:7200")])
        #expect(changed)
        #expect(self.book.entries == [RouterBook.Entry(name: "router-1", host: "fd00::1", port: 7200)])
    }

    @Test(
        "An address that cannot be dialled is left out",
        arguments: ["", "10.0.0.2", "10.0.0.2:", "10.0.0.2:0", "10.0.0.2:65536", ":7100", "0.0.0.0:7100", "[::]:7100"]
    )
    func notDialled(address: String) {
        var book = self.book
        let changed = book.leasesRead(
            [self.lease("router-2", mesh: address), self.lease("router-3", mesh: nil)],
            linked: [],
            now: Self.start
        )
        #expect(!changed)
    }

    @Test("An emptied Redis ends no link; what has neither lease nor link is forgotten after a while")
    mutating func forgets() {
        let router = self.lease("router-2", mesh: "10.0.0.2:7100")
        let kept = RouterBook.keptFor
        _ = self.read([router])
        let linked = self.read([], linked: ["router-2"], after: kept * 10)
        #expect(!linked && self.names == ["router-1", "router-2"])
        let alone = self.read([], after: kept * 11 - .seconds(1))
        #expect(!alone && self.names == ["router-1", "router-2"])
        let forgotten = self.read([], after: kept * 11)
        #expect(forgotten && self.names == ["router-1"])
    }
}
