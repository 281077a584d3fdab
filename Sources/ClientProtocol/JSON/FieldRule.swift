// SPDX-License-Identifier: Apache-2.0

/// What a value of a JSON field has to be, as the end of the sentence "`field` …".
struct FieldRule: Error {
    let text: String

    init(_ text: String) {
        self.text = text
    }

    func violated(at path: [any CodingKey]) -> DecodingError {
        .dataCorrupted(DecodingError.Context(codingPath: path, debugDescription: self.text, underlyingError: self))
    }
}
