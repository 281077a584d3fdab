// SPDX-License-Identifier: Apache-2.0

/// A value that no log, error or dump ever shows. Whoever needs it asks for the exposed form by name.
package struct Secret: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    package let exposedBytes: [UInt8]

    package init(bytes: [UInt8]) {
        self.exposedBytes = bytes
    }

    package init(_ text: String) {
        self.exposedBytes = Array(text.utf8)
    }

    /// The bytes as text; a byte that is not UTF-8 becomes U+FFFD.
    package var exposedText: String {
        String(decoding: self.exposedBytes, as: UTF8.self)
    }

    package var description: String { "<secret>" }
    package var debugDescription: String { "<secret>" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where a secret comes from. `cluster.yaml` names the source and never holds the value.
package enum SecretSource: Hashable, Sendable, CustomStringConvertible {
    /// An environment variable.
    case environment(String)
    /// A file; a relative path starts at the folder of `cluster.yaml`. One newline at its end is not part of the value.
    case file(String)

    /// As it is written in `cluster.yaml`, without the braces.
    package var description: String {
        switch self {
        case .environment(let name): "env: \(name)"
        case .file(let path): "file: \(path)"
        }
    }
}
