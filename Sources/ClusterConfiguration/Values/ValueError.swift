// SPDX-License-Identifier: Apache-2.0

/// Why the text of one value is refused, without saying where it stands.
struct ValueError: Error, Equatable {
    var message: String
    /// What would be right.
    var remedy: String

    init(_ message: String, remedy: String) {
        self.message = message
        self.remedy = remedy
    }
}

/// The text in quotes, cut so that one wrong value cannot fill the screen.
func quoted(_ text: String) -> String {
    let characters = text.prefix(60).map { $0.isNewline ? " " : String($0) }.joined()
    return "\"" + characters + (text.count > 60 ? "…" : "") + "\""
}
