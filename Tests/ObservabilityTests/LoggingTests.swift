// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import Synchronization
import Testing

@testable import Observability

@Suite("Log lines")
struct LogLineTests {
    private static func line(
        _ format: LogFormat,
        _ message: String,
        _ metadata: Logger.Metadata = [:],
        label: String = "mesh"
    ) -> String {
        let line = LogLine(
            format: format,
            time: "2026-01-31T12:00:00.250Z",
            level: .warning,
            label: label,
            message: message,
            metadata: metadata
        )
        return String(decoding: line.bytes, as: UTF8.self)
    }

    private static func object(_ text: String) throws -> [String: String] {
        #expect(text.hasSuffix("}\n"))
        #expect(text.dropLast().contains("\n") == false)
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8))
        return try #require(object as? [String: Any]).mapValues { "\($0)" }
    }

    @Test("Text for people")
    func text() {
        let metadata = Logger.Metadata.keys([
            .peer: "router-2", .reason: "no frame for 1500 ms", .epoch: "\(7)", .user: "", .code: "a=b",
        ])
        #expect(
            Self.line(.text, "link lost", metadata)
                == "2026-01-31T12:00:00.250Z warning mesh: link lost code=\"a=b\" epoch=7 peer=router-2"
                + " reason=\"no frame for 1500 ms\" user=\"\"\n"
        )
    }

    @Test("JSON for programs")
    func json() throws {
        let odd = "a \"quoted\" \\ line\nand another\u{1}\u{2028}é😀"
        let object = try Self.object(Self.line(.json, odd, ["peer": "\(odd)", "list": ["a", "b"]]))
        #expect(object["time"] == "2026-01-31T12:00:00.250Z")
        #expect(object["level"] == "warning")
        #expect(object["logger"] == "mesh")
        #expect(object["message"] == odd)
        #expect(object["peer"] == odd)
        #expect(object["list"]?.contains("a") == true)
        #expect(object.count == 6)
    }

    @Test("Metadata cannot take the place of the line's own fields")
    func ownFields() throws {
        let object = try Self.object(Self.line(.json, "true message", ["message": "false", "level": "trace"]))
        #expect(object["message"] == "true message")
        #expect(object["level"] == "warning")
        #expect(object["metadata_message"] == "false")
    }

    @Test("Nothing in a value begins a new line or reaches the terminal as a control character")
    func controlCharacters() {
        let text = Self.line(
            .text,
            "first\nsecond\r\u{1B}[31m",
            ["peer": "x\n2026 error forged: y\u{9B}31m"],
            label: "a\nb"
        )
        #expect(text.filter { $0.isNewline }.count == 1)
        #expect(text.unicodeScalars.dropLast().allSatisfy { $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) })
        #expect(text.contains("first\\nsecond\\r\\u001b[31m"))
    }

    @Test("Long lines are cut, stay well-formed and say so", arguments: LogFormat.allCases)
    func bounds(_ format: LogFormat) throws {
        for unit in ["x", "é", "😀", "\n", "\u{1}", "\\\"", "a\u{301}"] {
            let long = String(repeating: unit, count: 10_000)
            var metadata: Logger.Metadata = [:]
            for index in 0..<40 { metadata["key\(index)"] = "\(long)" }
            let line = Self.line(format, long, metadata, label: long)
            #expect(line.utf8.count <= LogLine.lineBytesMax)
            #expect(line.filter { $0.isNewline }.count == 1)
            if format == .json {
                let object = try Self.object(line)
                #expect(object["truncated"] == "1" || object["truncated"] == "true")
                #expect(object["message"].map { long.utf8.starts(with: $0.utf8) } == true)
            } else {
                #expect(line.hasSuffix(" truncated=true\n"))
            }
        }
    }

    @Test(
        "Times are RFC 3339 with milliseconds",
        arguments: [
            (0, 0, "1970-01-01T00:00:00.000Z"), (1_709_210_096, 7_999_999, "2024-02-29T12:34:56.007Z"),
            (4_102_444_799, 999_999_999, "2099-12-31T23:59:59.999Z"),
        ]
    )
    func timestamps(seconds: Int, nanoseconds: Int, text: String) {
        #expect(Timestamp.text(seconds: seconds, nanoseconds: nanoseconds) == text)
    }

    @Test("The common keys have different names in snake case")
    func keys() {
        let names = LogKey.allCases.map(\.rawValue)
        #expect(Set(names).count == names.count)
        #expect(names.allSatisfy { $0.utf8.allSatisfy { UInt8(ascii: "a")...UInt8(ascii: "z") ~= $0 || $0 == 0x5F } })
    }
}

@Suite("Writing logs")
struct LogWritingTests {
    /// What is written to a pipe while `body` runs, read by a thread of its own.
    private static func written(by body: (Int32) -> Void) throws -> [Substring] {
        let pipe = Pipe()
        let reading = DispatchQueue(label: "reader")
        let result = ResultBox()
        reading.async { result.set(pipe.fileHandleForReading.readDataToEndOfFile()) }
        body(pipe.fileHandleForWriting.fileDescriptor)
        try pipe.fileHandleForWriting.close()
        reading.sync {}
        let text = String(decoding: result.data, as: UTF8.self)
        #expect(text.isEmpty || text.hasSuffix("\n"))
        return text.split(separator: "\n")
    }

    @Test("Lines of concurrent threads never mix")
    func concurrency() throws {
        let lines = try Self.written { descriptor in
            DispatchQueue.concurrentPerform(iterations: 8) { thread in
                var logger = LogBootstrap.logger(label: "t", level: .info, format: .json, descriptor: descriptor)
                logger[.node] = "node-\(thread)"
                let filler = String(repeating: "\(thread)", count: 1800)
                for index in 0..<200 { logger.info("\(filler)", metadata: .keys([.count: "\(index)"])) }
            }
        }
        #expect(lines.count == 1600)
        var seen: Set<String> = []
        for line in lines {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: String])
            let node = try #require(object["node"])
            #expect(object["message"] == String(repeating: "\(node.dropFirst(5))", count: 1800))
            seen.insert("\(node) \(object["count"] ?? "")")
        }
        #expect(seen.count == 1600)
    }

    @Test("Levels below the set one write nothing")
    func levels() throws {
        let lines = try Self.written { descriptor in
            let logger = LogBootstrap.logger(label: "t", level: .notice, format: .text, descriptor: descriptor)
            logger.debug("no")
            logger.info("no")
            logger.notice("yes")
            logger.critical("yes")
        }
        #expect(lines.count == 2)
        #expect(lines.allSatisfy { $0.hasSuffix(" t: yes") })
    }

    @Test("A line's own metadata wins over the logger's, and an error is shown")
    func precedence() throws {
        struct Broken: Error, CustomStringConvertible { let description = "broken pipe" }
        let lines = try Self.written { descriptor in
            var logger = LogBootstrap.logger(label: "t", level: .info, format: .text, descriptor: descriptor)
            logger[.peer] = "one"
            logger[.node] = "edge-1"
            #expect(logger[.node] == "edge-1")
            logger.info("hello", error: Broken(), metadata: .keys([.peer: "two"]))
        }
        #expect(lines.count == 1)
        #expect(lines[0].hasSuffix(" info t: hello error=\"broken pipe\" node=edge-1 peer=two"))
    }

    @Test("A line that cannot be written is counted")
    func lost() {
        let before = LineLogHandler.linesLost.value
        LogBootstrap.logger(label: "t", level: .info, format: .text, descriptor: -1).info("into the void")
        #expect(LineLogHandler.linesLost.value == before + 1)
    }
}

/// Set by one queue, read after that queue has run empty.
private final class ResultBox: Sendable {
    private let stored = Mutex(Data())

    var data: Data { self.stored.withLock { $0 } }

    func set(_ data: Data) {
        self.stored.withLock { $0 = data }
    }
}
