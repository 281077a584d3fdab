// SPDX-License-Identifier: Apache-2.0

/// The answer to `INFO`: lines of `name:value`, and headings that begin with `#`.
package struct RedisInformation: Sendable {
    private let values: [Substring: Substring]

    package init(_ text: String) {
        let pairs = text.split(whereSeparator: \.isNewline).compactMap { line -> (Substring, Substring)? in
            guard let colon = line.firstIndex(of: ":"), !line.hasPrefix("#") else { return nil }
            return (line[..<colon], line[line.index(after: colon)...])
        }
        self.values = Dictionary(pairs) { first, _ in first }
    }

    package subscript(name: Substring) -> Substring? { self.values[name] }

    package func number(_ name: Substring) -> Int? { self.values[name].flatMap { Int($0) } }

    /// The replicas of a primary whose link to it stands; nil when the server does not tell.
    ///
    /// Redis names each in a line of its own: `slave0:ip=10.0.0.2,port=6379,state=online,offset=7,lag=0`. One that
    /// still gets its first copy is not online.
    package var replicas: [(address: String, isLinked: Bool)]? {
        guard let count = self.number("connected_slaves"), count >= 0 else { return nil }
        return (0..<min(count, Self.replicasMax)).compactMap { index in
            guard let line = self.values["slave\(index)"] else { return nil }
            let pairs = line.split(separator: ",").compactMap { part -> (Substring, Substring)? in
                guard let equals = part.firstIndex(of: "=") else { return nil }
                return (part[..<equals], part[part.index(after: equals)...])
            }
            let fields = Dictionary(pairs) { first, _ in first }
            return ("\(fields["ip"] ?? "?"):\(fields["port"] ?? "?")", fields["state"] == "online")
        }
    }

    /// More are not of interest to anybody.
    private static let replicasMax = 1000
}
