// SPDX-License-Identifier: Apache-2.0

import LoadModel

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// What the process that was started by hand asks of those that it started, one after the other; the names are those of
/// `Crew`. Each is answered with one `CrewReply`. Both are the same program, so the format has no versions.
enum CrewRequest: Codable {
    case populate
    case connect
    /// Nanoseconds of the monotonic clock, which all processes of a machine share (clock_gettime(2)).
    case start(uptimeNanoseconds: UInt64)
    case add(SendSchedule.Stretch)
    case state(takesRecent: Bool)
    case settle
    case incomplete(asks: Bool)
    case stretch(Int)
    case finish(isWhole: Bool)
}

enum CrewReply: Codable {
    case done
    case state(CrewState)
    case count(Int)
    case stretch(StretchOutcome)
    case outcome(RunOutcome)
    /// It could not be done; the process goes on.
    case failed(String)
}

/// Messages on a pipe: four bytes of length in the order of the network, then JSON.
enum CrewFraming {
    /// A frame of a long run with many intervals has some MiB.
    static let bytesMax = 256 << 20

    static func encode(_ message: some Encodable) throws -> [UInt8] {
        let body = try JSONEncoder().encode(message)
        guard body.count <= Self.bytesMax else {
            throw CrewError(
                description: "a message between processes has \(body.count) bytes, \(Self.bytesMax) are allowed"
            )
        }
        return withUnsafeBytes(of: UInt32(body.count).bigEndian) { Array($0) } + Array(body)
    }

    static func decode<Message: Decodable>(_ type: Message.Type, _ body: [UInt8]) throws -> Message {
        try JSONDecoder().decode(type, from: Data(body))
    }
}
