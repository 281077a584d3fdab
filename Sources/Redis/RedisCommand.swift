// SPDX-License-Identifier: Apache-2.0

/// One command: its name and its arguments, as bytes.
///
/// There is always a name, since Redis does not answer a command without one and every later answer would be taken for
/// the wrong command. For the same reason commands that answer never or more than once (`SUBSCRIBE`, `MONITOR`,
/// `CLIENT REPLY`) must not be sent over a ``RedisConnection``.
package struct RedisCommand: Hashable, Sendable {
    /// Name and arguments one after the other, as hiredis wants them in memory.
    let bytes: [UInt8]
    /// The length of the name and of each argument.
    let lengths: [Int]

    package init(_ name: String, _ arguments: String...) {
        self.init(name, arguments)
    }

    package init(_ name: String, _ arguments: [String]) {
        var bytes = Array(name.utf8)
        var lengths = [bytes.count]
        lengths.reserveCapacity(arguments.count + 1)
        for argument in arguments {
            let before = bytes.count
            bytes.append(contentsOf: argument.utf8)
            lengths.append(bytes.count - before)
        }
        self.bytes = bytes
        self.lengths = lengths
    }

    package init(_ name: String, arguments: [[UInt8]]) {
        self.bytes = arguments.reduce(into: Array(name.utf8)) { $0.append(contentsOf: $1) }
        self.lengths = [name.utf8.count] + arguments.map(\.count)
    }

    /// What the command takes on the wire, at most: an argument costs its bytes, its length in digits and four more.
    var wireBytesMax: Int {
        self.bytes.count + (self.lengths.count + 1) * 24
    }
}
