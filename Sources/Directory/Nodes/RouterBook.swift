// SPDX-License-Identifier: Apache-2.0

/// The routers that a node should have a link to: those of its file and those that have a lease. A pure value: no clock,
/// no I/O.
///
/// Redis is soft (contract C6): a router whose lease is gone is kept for as long as there is a link to it, and for a
/// while after, so that an emptied Redis ends no link. What a router says of itself wins over the file.
package struct RouterBook: Sendable {
    package struct Entry: Hashable, Sendable {
        package var name: String
        package var host: String
        package var port: Int

        package init(name: String, host: String, port: Int) {
            self.name = name
            self.host = host
            self.port = port
        }
    }

    /// How long a router that is in no file is dialled after its lease and its link are gone.
    package static let keptFor: Duration = .seconds(60)

    private struct Found {
        var entry: Entry
        var lastSeen: ContinuousClock.Instant
    }

    private let own: String
    private let listed: [String: Entry]
    private var found: [String: Found] = [:]

    /// - Parameters:
    ///   - own: the name of the node itself, which is never in the book.
    ///   - listed: the routers of the file; they stay for ever.
    package init(own: String, listed: [Entry]) {
        self.own = own
        self.listed = Dictionary(listed.filter { $0.name != own }.map { ($0.name, $0) }) { first, _ in first }
    }

    /// In the order of their names.
    package var entries: [Entry] {
        self.listed.merging(self.found.mapValues(\.entry)) { _, found in found }.values.sorted { $0.name < $1.name }
    }

    /// A reading of the leases that succeeded. Returns whether ``entries`` differ from what they were.
    ///
    /// - Parameter linked: the routers that there is a link to.
    package mutating func leasesRead(
        _ leases: [NodeLease],
        linked: Set<String>,
        now: ContinuousClock.Instant
    ) -> Bool {
        let before = self.entries
        for lease in leases where lease.role == .router && lease.name != self.own {
            guard let entry = lease.meshAddress.flatMap({ Entry(name: lease.name, address: $0) }) else { continue }
            self.found[lease.name] = Found(entry: entry, lastSeen: now)
        }
        for name in self.found.keys where linked.contains(name) {
            self.found[name]?.lastSeen = now
        }
        self.found = self.found.filter { $0.value.lastSeen.duration(to: now) < Self.keptFor }
        return self.entries != before
    }
}

extension RouterBook.Entry {
    /// Nil for an address that cannot be dialled.
    init?(name: String, address: String) {
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        var host = address[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard !host.isEmpty, host != "0.0.0.0", host != "::" else { return nil }
        self.init(name: name, host: String(host), port: port)
    }
}
