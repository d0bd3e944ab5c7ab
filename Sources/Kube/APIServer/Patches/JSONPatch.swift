public import KubeAPI

extension Patch {
    /// One operation of a JSON patch (RFC 6902, section 4).
    public struct Operation: Hashable, Sendable {
        public enum Action: Hashable, Sendable {
            case add(JSONValue), remove, replace(JSONValue)
            case move(from: JSONPointer), copy(from: JSONPointer)
            case test(JSONValue)
        }

        public var action: Action
        public var path: JSONPointer

        public init(_ action: Action, _ path: JSONPointer) {
            self.action = action
            self.path = path
        }

        /// kube-apiserver's limit.
        static var limit: Int { 10_000 }

        /// How deep the result may be, and so how long a pointer that leads anywhere.
        static var depthLimit: Int { ObjectLimits.depth }
    }
}

// MARK: - Reading

extension Patch.Operation {
    static func list(_ body: JSONValue) throws(PatchError) -> [Self] {
        guard let elements = body.array else {
            throw PatchError(.malformed, "error decoding patch: expected a list of operations, found \(body.form)")
        }
        guard elements.count <= limit else {
            throw PatchError(
                .tooLarge, "The allowed maximum operations in a JSON patch is \(limit), got \(elements.count)")
        }
        var result: [Self] = []
        for (position, element) in elements.enumerated() { result.append(try Self(element, at: position)) }
        return result
    }

    private init(_ element: JSONValue, at position: Int) throws(PatchError) {
        func malformed(_ message: String) -> PatchError {
            PatchError(.malformed, "error decoding patch: operation \(position): \(message)")
        }
        func pointer(_ field: String) throws(PatchError) -> JSONPointer {
            guard let text = element[field]?.string else { throw malformed("'\(field)' must be a string") }
            guard let pointer = JSONPointer(text) else {
                throw malformed("'\(field)' is no JSON pointer: \"\(text)\"")
            }
            return pointer
        }
        func value() throws(PatchError) -> JSONValue {
            guard let value = element["value"] else { throw malformed("'value' is missing") }
            return value
        }
        guard case .object = element else { throw malformed("expected an object, found \(element.form)") }
        guard let word = element["op"]?.string else { throw malformed("'op' must be a string") }
        path = try pointer("path")
        switch word {
        case "add": action = .add(try value())
        case "remove": action = .remove
        case "replace": action = .replace(try value())
        case "move": action = .move(from: try pointer("from"))
        case "copy": action = .copy(from: try pointer("from"))
        case "test": action = .test(try value())
        default: throw malformed("unknown 'op' \"\(word)\": use add, remove, replace, move, copy or test")
        }
    }
}

// MARK: - Applying

extension Patch.Operation {
    static func applied(_ operations: [Self], to object: JSONValue) throws(PatchError) -> JSONValue {
        var result = object
        // A copy doubles what it copies: thirty of them would fill the memory from a body of a kilobyte.
        var copied = 0
        for (position, operation) in operations.enumerated() {
            do {
                copied += try operation.apply(to: &result)
            } catch {
                throw PatchError(.inapplicable, "operation \(position) (\(operation)): \(error.message)")
            }
            guard copied <= Self.copyLimit else {
                throw PatchError(.tooLarge, "the copies of the patch come to more than \(Self.copyLimit) bytes")
            }
        }
        return result
    }

    /// Three mebibytes, as kube-apiserver's limit for requests.
    private static var copyLimit: Int { 3 << 20 }

    /// Returns how many bytes were copied inside the document.
    private func apply(to document: inout JSONValue) throws(Misfit) -> Int {
        guard path.tokens.count <= Self.depthLimit else { throw .tooDeep }
        switch action {
        case .add(let value):
            try checkDepth(of: value)
            try document.insert(value, at: path.tokens[...])
        case .remove: _ = try document.take(at: path.tokens[...])
        case .replace(let value):
            try checkDepth(of: value)
            try document.replace(value, at: path.tokens[...])
        case .test(let value):
            let found = try document.find(path.tokens[...])
            guard found.isSame(as: value) else { throw Misfit(message: "the value is \(found), not \(value)") }
        case .copy(let from):
            let value = try document.find(from.tokens[...])
            try checkDepth(of: value)
            try document.insert(value, at: path.tokens[...])
            return JSONWriter().bytes(of: value).count
        case .move(let from):
            guard path == from || !path.tokens.starts(with: from.tokens) else {
                throw Misfit(message: "a value cannot be moved into itself")
            }
            let value = try document.take(at: from.tokens[...])
            if path.tokens.count > from.tokens.count { try checkDepth(of: value) }
            try document.insert(value, at: path.tokens[...])
        }
        return 0
    }

    /// A value at the end of a path adds its own depth to the path's: a copy into its own leaf doubles it, and seventeen of
    /// those would be deeper than any stack.
    private func checkDepth(of value: JSONValue) throws(Misfit) {
        guard !value.isDeeper(than: Self.depthLimit - path.tokens.count) else { throw .tooDeep }
    }
}

extension Patch.Operation: CustomStringConvertible {
    /// `replace /spec/replicas`.
    public var description: String {
        switch action {
        case .add: "add \(path)"
        case .remove: "remove \(path)"
        case .replace: "replace \(path)"
        case .test: "test \(path)"
        case .move(let from): "move \(from) to \(path)"
        case .copy(let from): "copy \(from) to \(path)"
        }
    }
}

private struct Misfit: Error {
    var message: String
}

extension JSONValue {
    fileprivate func find(_ tokens: ArraySlice<String>) throws(Misfit) -> JSONValue {
        guard let first = tokens.first else { return self }
        switch self {
        case .object(let object):
            guard let member = object[first] else { throw .missing(first) }
            return try member.find(tokens.dropFirst())
        case .array(let elements):
            return try elements[Self.position(first, below: elements.count)].find(tokens.dropFirst())
        default: throw .notInside(first, form)
        }
    }

    /// Adds a member or an element; at the root it replaces the document.
    fileprivate mutating func insert(_ value: JSONValue, at tokens: ArraySlice<String>) throws(Misfit) {
        try change(at: tokens) { (container, last) throws(Misfit) in
            switch container {
            case .object(var object):
                object[last] = value
                container = .object(object)
            case .array(var elements):
                let position = last == "-" ? elements.count : try Self.position(last, below: elements.count + 1)
                elements.insert(value, at: position)
                container = .array(elements)
            default: throw .notInside(last, container.form)
            }
        } root: {
            $0 = value
        }
    }

    fileprivate mutating func replace(_ value: JSONValue, at tokens: ArraySlice<String>) throws(Misfit) {
        _ = try find(tokens)
        try change(at: tokens) { (container, last) throws(Misfit) in
            if case .object(var object) = container {
                object[last] = value
                container = .object(object)
            } else if case .array(var elements) = container {
                elements[try Self.position(last, below: elements.count)] = value
                container = .array(elements)
            }
        } root: {
            $0 = value
        }
    }

    /// Removes the value and returns it.
    fileprivate mutating func take(at tokens: ArraySlice<String>) throws(Misfit) -> JSONValue {
        let found = try find(tokens)
        try change(at: tokens) { (container, last) throws(Misfit) in
            if case .object(var object) = container {
                object[last] = nil
                container = .object(object)
            } else if case .array(var elements) = container {
                elements.remove(at: try Self.position(last, below: elements.count))
                container = .array(elements)
            }
        } root: {
            $0 = .null
        }
        return found
    }

    /// Walks to the container of the last token and changes it there.
    private mutating func change(
        at tokens: ArraySlice<String>, _ body: (inout JSONValue, String) throws(Misfit) -> Void,
        root: (inout JSONValue) -> Void
    ) throws(Misfit) {
        guard let first = tokens.first else { return root(&self) }
        guard tokens.count > 1 else { return try body(&self, first) }
        switch self {
        case .object(var object):
            guard var member = object[first] else { throw .missing(first) }
            try member.change(at: tokens.dropFirst(), body, root: root)
            object[first] = member
            self = .object(object)
        case .array(var elements):
            let position = try Self.position(first, below: elements.count)
            try elements[position].change(at: tokens.dropFirst(), body, root: root)
            self = .array(elements)
        default: throw .notInside(first, form)
        }
    }

    private static func position(_ token: String, below count: Int) throws(Misfit) -> Int {
        guard let position = JSONPointer.position(token) else {
            throw Misfit(message: "\"\(token)\" is no position in a list")
        }
        guard position < count else { throw Misfit(message: "position \(token) is outside a list of \(count)") }
        return position
    }

    /// Equal as RFC 6902 §4.6 compares: numbers by their value.
    fileprivate func isSame(as other: JSONValue) -> Bool {
        switch (self, other) {
        case (.number(let a), .number(let b)): a == b || a.double == b.double
        case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy { $0.isSame(as: $1) }
        case (.object(let a), .object(let b)):
            a.count == b.count && a.members.allSatisfy { member in b[member.key]?.isSame(as: member.value) ?? false }
        default: self == other
        }
    }
}

extension Misfit {
    fileprivate static var tooDeep: Misfit {
        Misfit(message: "the result would be nested deeper than \(ObjectLimits.depth) levels")
    }
    fileprivate static func missing(_ token: String) -> Misfit { Misfit(message: "there is no member \"\(token)\"") }
    fileprivate static func notInside(_ token: String, _ form: String) -> Misfit {
        Misfit(message: "\"\(token)\" cannot be looked for in a \(form)")
    }
}
