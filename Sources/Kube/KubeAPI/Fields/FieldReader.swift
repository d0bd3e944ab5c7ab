public import Addressing

/// Reads typed fields out of a JSON tree and collects what is wrong, each with its path; reading goes on after an error, so
/// that all of them are told and everything readable is there.
///
/// A field that is absent and one that is `null` are the same, as in Kubernetes. Fields nobody asks for are passed over: a
/// projection reads what it needs, and the tree keeps the rest.
public struct FieldReader {
    public private(set) var errors: [FieldError] = []
    private var elements: [FieldPath.Element]
    private var object: JSONObject

    /// - Parameter path: where the value is, for the errors.
    public init(_ value: JSONValue, at path: FieldPath = .root) {
        elements = path.elements
        if case .object(let object) = value {
            self.object = object
        } else {
            object = JSONObject()
            wrongForm(at: path, value, "an object")
        }
    }

    /// Where the object is that is being read.
    public var path: FieldPath { FieldPath(elements: elements) }

    /// The path of a field of that object.
    public func path(_ field: String) -> FieldPath { FieldPath(elements: elements + [.field(field)]) }

    public mutating func report(_ error: FieldError) { errors.append(error) }

    /// The fields of that object, in their order.
    public var memberNames: [String] { object.members.map(\.key) }

    /// A field as it stands; `nil` when absent or null.
    public func value(_ field: String) -> JSONValue? {
        guard let value = object[field], value != .null else { return nil }
        return value
    }

    private static func article(_ form: String) -> String {
        form == "null" ? form : (form == "array" || form == "object" ? "an " : "a ") + form
    }

    private mutating func wrongForm(_ field: String, _ value: JSONValue, _ expected: String) {
        wrongForm(at: path(field), value, expected)
    }

    private mutating func wrongForm(at path: FieldPath, _ value: JSONValue, _ expected: String) {
        // A long list or object is no help in a message: its form is.
        let shown: JSONValue = value.array == nil && value.object == nil ? value : .string(value.form)
        errors.append(.typeInvalid(path, shown, "must be \(expected), not \(Self.article(value.form))"))
    }
}

// MARK: - Plain values

extension FieldReader {
    public mutating func string(_ field: String) -> String? {
        guard let value = value(field) else { return nil }
        if case .string(let text) = value { return text }
        wrongForm(field, value, "a string")
        return nil
    }

    public mutating func bool(_ field: String) -> Bool? {
        guard let value = value(field) else { return nil }
        if case .bool(let bool) = value { return bool }
        wrongForm(field, value, "a boolean")
        return nil
    }

    public mutating func integer(_ field: String) -> Int64? {
        guard let value = value(field) else { return nil }
        if let integer = value.number?.integer { return integer }
        wrongForm(field, value, "an integer")
        return nil
    }

    /// A list of strings; empty when absent.
    public mutating func strings(_ field: String) -> [String] {
        guard let value = value(field) else { return [] }
        guard case .array(let elements) = value else {
            wrongForm(field, value, "an array")
            return []
        }
        var result: [String] = []
        result.reserveCapacity(elements.count)
        for (position, element) in elements.enumerated() {
            if case .string(let text) = element {
                result.append(text)
            } else {
                wrongForm(at: path(field).index(position), element, "a string")
            }
        }
        return result
    }

    /// A map of strings, such as labels; empty when absent.
    public mutating func map(_ field: String) -> [String: String] {
        guard let value = value(field) else { return [:] }
        guard case .object(let entries) = value else {
            wrongForm(field, value, "an object")
            return [:]
        }
        var result: [String: String] = [:]
        result.reserveCapacity(entries.count)
        for entry in entries.members {
            switch entry.value {
            case .string(let text): result[entry.key] = text
            // Go reads a null into a string as the empty one.
            case .null: result[entry.key] = ""
            default: wrongForm(at: path(field).key(entry.key), entry.value, "a string")
            }
        }
        return result
    }
}

// MARK: - Structures

extension FieldReader {
    /// A structure; `nil` when absent. A closure reads its fields, with the reader standing inside it.
    public mutating func object<Result>(_ field: String, _ read: (inout FieldReader) -> Result) -> Result? {
        guard let value = value(field) else { return nil }
        guard case .object(let inner) = value else {
            wrongForm(field, value, "an object")
            return nil
        }
        return inside(.field(field), inner, read)
    }

    /// A structure; absent it is read as an empty one, so that its defaults are written in one place.
    public mutating func section<Result>(_ field: String, _ read: (inout FieldReader) -> Result) -> Result {
        object(field, read) ?? inside(.field(field), JSONObject(), read)
    }

    /// A list of structures; empty when absent. An element of another form is reported and left out.
    ///
    /// - Parameter standIn: what takes the place of such an element, and is the only one of what is no list: for lists that mean
    ///   everything when they are empty.
    public mutating func list<Result>(
        _ field: String, standIn: Result? = nil, _ read: (inout FieldReader) -> Result
    ) -> [Result] {
        guard let value = value(field) else { return [] }
        guard case .array(let elements) = value else {
            wrongForm(field, value, "an array")
            return standIn.map { [$0] } ?? []
        }
        var result: [Result] = []
        result.reserveCapacity(elements.count)
        self.elements.append(.field(field))
        for (position, element) in elements.enumerated() {
            if case .object(let inner) = element {
                result.append(inside(.index(position), inner, read))
            } else {
                wrongForm(at: FieldPath(elements: self.elements + [.index(position)]), element, "an object")
                if let standIn { result.append(standIn) }
            }
        }
        self.elements.removeLast()
        return result
    }

    private mutating func inside<Result>(
        _ element: FieldPath.Element, _ inner: JSONObject, _ read: (inout FieldReader) -> Result
    ) -> Result {
        let outer = object
        elements.append(element)
        object = inner
        defer {
            object = outer
            elements.removeLast()
        }
        return read(&self)
    }
}

// MARK: - Addresses

extension FieldReader {
    /// An address; `nil` when absent or empty, which Kubernetes takes for the same.
    public mutating func address(_ field: String) -> IPAddress? {
        guard let text = string(field), !text.isEmpty else { return nil }
        if let address = IPAddress(text) { return address }
        errors.append(.invalid(path(field), .string(text), FieldError.addressWanted))
        return nil
    }

    /// A prefix; `nil` when absent or empty. Host bits are cut: kube-apiserver lets them pass in the fields it has always had.
    public mutating func prefix(_ field: String) -> IPPrefix? {
        guard let text = string(field), !text.isEmpty else { return nil }
        return prefix(text, at: path(field))
    }

    public mutating func prefixes(_ field: String) -> [IPPrefix] {
        strings(field).enumerated().compactMap { prefix($1, at: path(field).index($0)) }
    }

    /// A prefix without host bits, as policies have them.
    public mutating func plainPrefix(_ field: String) -> IPPrefix? {
        guard let text = string(field), !text.isEmpty else { return nil }
        return plainPrefix(text, at: path(field))
    }

    public mutating func plainPrefixes(_ field: String) -> [IPPrefix] {
        strings(field).enumerated().compactMap { plainPrefix($1, at: path(field).index($0)) }
    }

    private mutating func plainPrefix(_ text: String, at path: FieldPath) -> IPPrefix? {
        guard let prefix = prefix(text, at: path) else { return nil }
        if IPPrefix(text) != nil { return prefix }
        errors.append(.invalid(path, .string(text), FieldError.plainPrefixWanted))
        return nil
    }

    private mutating func prefix(_ text: String, at path: FieldPath) -> IPPrefix? {
        if let prefix = InterfaceAddress(text)?.prefix { return prefix }
        errors.append(.invalid(path, .string(text), FieldError.prefixWanted))
        return nil
    }
}

extension FieldError {
    public static var addressWanted: String { "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)" }
    public static var prefixWanted: String { "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)" }
    public static var plainPrefixWanted: String { "must not have bits set beyond the prefix length" }
}
