// SPDX-License-Identifier: Apache-2.0

internal import ClientProtocol
internal import Messaging

/// What may stand in the fields of accounts and conversations. Pure; every violation names the field.
enum AccountRules {
    static let deviceTypes = ["mobile", "web", "desktop"]

    /// The form in which a username is stored and looked for: upper-case ASCII letters become lower-case, nothing else
    /// is changed, so no two scripts' look-alikes are ever folded into one name.
    ///
    /// - Throws: `invalid_field` for another character or length.
    static func username(_ text: String) throws(Failure) -> String {
        let folded = Self.folded(text)
        let isLegal = folded.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"),
                UInt8(ascii: "."), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard Limits.usernameLength.contains(folded.utf8.count), isLegal else {
            let length = Limits.usernameLength
            throw Failure(
                .invalidField,
                "The field `username` must be \(length.lowerBound) to \(length.upperBound) letters a–z, digits, "
                    + "underscores, dots or hyphens."
            )
        }
        return folded
    }

    /// A password that is to be set.
    static func newPassword(_ text: String) throws(Failure) {
        let bytes = Limits.passwordBytes
        guard bytes.contains(text.utf8.count) else {
            throw Failure(
                .invalidField,
                "The field `password` must have \(bytes.lowerBound) to \(bytes.upperBound) bytes of UTF-8."
            )
        }
    }

    /// A password that is to be checked: only what could not have been set under any rule is refused.
    static func presentedPassword(_ text: String) throws(Failure) {
        guard (1...Limits.passwordBytes.upperBound).contains(text.utf8.count) else {
            throw Failure(
                .invalidField,
                "The field `password` must have 1 to \(Limits.passwordBytes.upperBound) bytes of UTF-8."
            )
        }
    }

    static func displayName(_ text: String) throws(Failure) -> String {
        try Self.line(text, field: "display_name", bytes: 1...Limits.displayNameBytesMax)
    }

    static func title(_ text: String) throws(Failure) -> String {
        try Self.line(text, field: "title", bytes: 0...Limits.titleBytesMax)
    }

    static func deviceName(_ text: String) throws(Failure) -> String {
        try Self.line(text, field: "device.name", bytes: 0...Limits.deviceNameBytesMax)
    }

    static func deviceType(_ text: String) throws(Failure) -> String {
        guard Self.deviceTypes.contains(text) else {
            throw Failure(
                .invalidField,
                "The field `device.type` must be one of \(Self.deviceTypes.joined(separator: ", "))."
            )
        }
        return text
    }

    /// Text of one line: no control characters, which would also be refused by Postgres (U+0000) or spoil a list.
    private static func line(_ text: String, field: String, bytes: ClosedRange<Int>) throws(Failure) -> String {
        guard bytes.contains(text.utf8.count) else {
            throw Failure(
                .invalidField,
                "The field `\(field)` must have \(bytes.lowerBound) to \(bytes.upperBound) bytes of UTF-8."
            )
        }
        guard text.unicodeScalars.allSatisfy({ $0.properties.generalCategory != .control }) else {
            throw Failure(.invalidField, "The field `\(field)` must not contain control characters.")
        }
        return text
    }

    private static func folded(_ text: String) -> String {
        String(
            decoding: text.utf8.map { byte in
                (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
            },
            as: UTF8.self
        )
    }
}
