// SPDX-License-Identifier: Apache-2.0

import Logging

/// How log lines look.
package enum LogFormat: String, Sendable, CaseIterable {
    /// `2026-01-31T12:00:00.250Z warning mesh: link lost peer=router-2 reason="no frame for 1500 ms"`
    case text
    /// One JSON object per line: `time`, `level`, `logger`, `message`, the metadata by name, and `truncated` where
    /// something was cut.
    case json
}

/// One log line as bytes: pure, so that its form can be tested without writing.
struct LogLine {
    /// Bytes of a line with its newline: what a pipe takes in one piece (`PIPE_BUF`, pipe(7)).
    static let lineBytesMax = 4096
    /// Bytes of a message.
    static let messageBytesMax = 2048
    /// Bytes of one value.
    static let valueBytesMax = 512

    /// Room for the note that something was cut.
    private static let noteBytes = 24
    private static let ownFields: Set<String> = ["time", "level", "logger", "message", "truncated"]

    private(set) var bytes: [UInt8] = []
    private var isTruncated = false

    init(
        format: LogFormat,
        time: String,
        level: Logger.Level,
        label: String,
        message: String,
        metadata: Logger.Metadata
    ) {
        self.bytes.reserveCapacity(256)
        switch format {
        case .text:
            self.append("\(time) \(level.rawValue) ")
            self.append(Self.cut(Self.escape(label), 64, &self.isTruncated))
            self.append(": ")
            self.append(Self.cut(Self.escape(message), Self.messageBytesMax, &self.isTruncated))
            self.appendMetadata(metadata) { key, value in " \(key)=\(Self.textValue(value))" }
            if self.isTruncated { self.append(" truncated=true") }
            self.append("\n")
        case .json:
            self.append("{\"time\":\"\(time)\",\"level\":\"\(level.rawValue)\",\"logger\":\"")
            self.append(Self.cut(Self.escape(label), 64, &self.isTruncated))
            self.append("\",\"message\":\"")
            self.append(Self.cut(Self.escape(message), Self.messageBytesMax, &self.isTruncated))
            self.append("\"")
            self.appendMetadata(metadata) { key, value in
                // A value may not take the place of one of the line's own fields.
                ",\"\(Self.ownFields.contains(key) ? "metadata_\(key)" : key)\":\"\(value)\""
            }
            if self.isTruncated { self.append(",\"truncated\":true") }
            self.append("}\n")
        }
    }

    /// In the order of the keys; what would make the line too long is left out and noted.
    private mutating func appendMetadata(_ metadata: Logger.Metadata, _ format: (String, String) -> String) {
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            let text = Self.cut(Self.escape("\(value)"), Self.valueBytesMax, &self.isTruncated)
            let field = format(Self.cut(Self.escape(key), 64, &self.isTruncated), text)
            guard self.bytes.count + field.utf8.count + Self.noteBytes <= Self.lineBytesMax else {
                self.isTruncated = true
                continue
            }
            self.append(field)
        }
    }

    private mutating func append(_ text: String) {
        self.bytes.append(contentsOf: text.utf8)
    }

    /// In quotes unless it is one plain word, so that a value cannot look like another field.
    private static func textValue(_ escaped: String) -> String {
        let isWord = !escaped.isEmpty && escaped.utf8.allSatisfy { $0 > 0x20 && $0 != UInt8(ascii: "=") && $0 != 0x5C }
        return isWord ? escaped : "\"\(escaped)\""
    }

    /// JSON's escapes (RFC 8259 §7), used for text lines too: no value can begin a line of its own, and no control
    /// character reaches a terminal.
    private static func escape(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": escaped += "\\\""
            case "\\": escaped += "\\\\"
            case "\n": escaped += "\\n"
            case "\r": escaped += "\\r"
            case "\t": escaped += "\\t"
            default:
                switch scalar.value {
                case 0..<0x20, 0x7F...0x9F, 0x2028, 0x2029:
                    let digits = String(scalar.value, radix: 16)
                    escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                default:
                    escaped.unicodeScalars.append(scalar)
                }
            }
        }
        return escaped
    }

    /// Cuts escaped text between two characters, never inside an escape.
    private static func cut(_ escaped: String, _ bytesMax: Int, _ isTruncated: inout Bool) -> String {
        guard escaped.utf8.count > bytesMax else { return escaped }
        isTruncated = true
        var kept = ""
        var bytes = 0
        var rest = escaped.unicodeScalars[...]
        while let scalar = rest.first {
            var length = 1
            if scalar == "\\" { length = rest.dropFirst().first == "u" ? 6 : 2 }
            let piece = rest.prefix(length)
            let pieceBytes = String(piece).utf8.count
            guard bytes + pieceBytes <= bytesMax else { break }
            kept.unicodeScalars.append(contentsOf: piece)
            bytes += pieceBytes
            rest = rest.dropFirst(length)
        }
        return kept
    }
}
