// SPDX-License-Identifier: Apache-2.0

/// One HTTP request over a connection of its own, written and read by hand: what an edge answers is judged by a client
/// that shares no code with it.
package struct PlainHTTP {
    package struct Response: Sendable {
        package var status: Int
        /// Names in lower case.
        package var headers: [String: String]
        package var body: [UInt8]

        package var json: JSONValue? { try? JSONValue(json: self.body) }
        /// The error code of a problem document.
        package var code: String? { self.json?["code"]?.string }
    }

    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    package static func request(
        _ method: String,
        _ path: String,
        port: UInt16,
        token: String? = nil,
        json: String? = nil,
        timeoutSeconds: Int = 40
    ) throws -> Response {
        let connection = try TCPConnection(port: port, timeoutSeconds: timeoutSeconds)
        var head = "\(method) \(path) HTTP/1.1\r\nHost: 127.0.0.1:\(port)\r\nConnection: close\r\n"
        if let token { head += "Authorization: Bearer \(token)\r\n" }
        if let json { head += "Content-Type: application/json\r\nContent-Length: \(json.utf8.count)\r\n" }
        connection.send(Array((head + "\r\n" + (json ?? "")).utf8))
        return try Self.parse(connection.receiveAll(), "\(method) \(path)")
    }

    static func parse(_ bytes: [UInt8], _ what: String) throws -> Response {
        let separator: [UInt8] = [13, 10, 13, 10]
        guard let end = bytes.firstIndex(of: separator) else {
            throw Failure(description: "\(what): no HTTP answer, but \(bytes.count) bytes")
        }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
            throw Failure(description: "\(what): no status line")
        }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 {
                headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " })
            }
        }
        let raw = Array(bytes[(end + 4)...])
        let isChunked = headers["transfer-encoding"]?.lowercased() == "chunked"
        return Response(status: status, headers: headers, body: isChunked ? try Self.joined(raw, what) : raw)
    }

    private static func joined(_ bytes: [UInt8], _ what: String) throws -> [UInt8] {
        var body: [UInt8] = []
        var rest = bytes[...]
        while let end = rest.firstIndex(of: [13, 10]) {
            let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
            guard let size = Int(line, radix: 16) else { throw Failure(description: "\(what): a bad chunk") }
            if size == 0 { return body }
            guard rest.count >= end + 2 - rest.startIndex + size else { break }
            body += rest[(end + 2)..<(end + 2 + size)]
            rest = rest[(end + 2 + size)...].dropFirst(2)
        }
        throw Failure(description: "\(what): the answer ends within a chunk")
    }
}

extension Collection where Element == UInt8 {
    /// Where a sequence of bytes begins for the first time.
    package func firstIndex(of needle: [UInt8]) -> Index? {
        var start = self.startIndex
        while self.distance(from: start, to: self.endIndex) >= needle.count {
            if self[start...].starts(with: needle) { return start }
            start = self.index(after: start)
        }
        return nil
    }
}

/// Runs what blocks on a thread of its own: the cooperative pool of a small machine has only two.
package func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
        PlainThreads.start { continuation.resume(with: Result { try body() }) }
    }
}
