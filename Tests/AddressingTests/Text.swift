import Testing

/// A text and why it is in the table.
struct Text: Sendable, CustomTestStringConvertible {
    var text: String
    var why: String

    init(_ text: String, _ why: String) {
        self.text = text
        self.why = why
    }

    var testDescription: String { "\"\(text)\": \(why)" }
}
