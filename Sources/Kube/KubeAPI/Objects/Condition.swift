/// One thing that is said of an object's state, such as `Ready`.
public struct Condition: Hashable, Sendable {
    public enum Status: String, Hashable, Sendable, CaseIterable {
        case `true` = "True"
        case `false` = "False"
        case unknown = "Unknown"
    }

    public var type: String
    public var status: Status
    public var reason: String
    public var message: String

    public init(_ type: String, _ status: Status, reason: String = "", message: String = "") {
        self.type = type
        self.status = status
        self.reason = reason
        self.message = message
    }

    init(reading fields: inout FieldReader) {
        type = fields.string("type") ?? ""
        status = fields.word("status", Status.self) ?? .unknown
        reason = fields.string("reason") ?? ""
        message = fields.string("message") ?? ""
    }
}

extension FieldReader {
    /// A word out of a fixed set; `nil` when absent or empty, and another word is reported with the ones that are supported.
    public mutating func word<Word: RawRepresentable & CaseIterable>(
        _ field: String, _ type: Word.Type
    ) -> Word? where Word.RawValue == String {
        guard let text = string(field), !text.isEmpty else { return nil }
        if let word = Word(rawValue: text) { return word }
        report(.notSupported(path(field), .string(text), Word.allCases.map(\.rawValue).sorted()))
        return nil
    }
}
