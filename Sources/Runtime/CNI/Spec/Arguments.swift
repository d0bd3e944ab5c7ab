/// `CNI_ARGS`: `KEY=VALUE` pairs between semicolons, such as `K8S_POD_NAME` and `K8S_POD_NAMESPACE`. A value may hold `=`, a key
/// may not. They are looked for in the text when they are asked for; a courier does not ask.
public struct Arguments: Hashable, Sendable {
    public let text: String

    public static let none = Arguments(unchecked: "")

    private init(unchecked text: String) { self.text = text }

    /// - Throws: when a pair has no key.
    public init(_ text: String) throws(Failure) {
        self.init(unchecked: text)
        var fault: Substring?
        forEachPair { pair, equals in
            if equals == nil || equals == pair.startIndex { fault = fault ?? pair }
            return fault == nil
        }
        if let fault {
            throw Failure(.badEnvironment, "CNI_ARGS holds “\(fault)”", details: "it is KEY=VALUE pairs between semicolons")
        }
    }

    /// The last one of that key.
    public subscript(key: String) -> String? {
        var value: Substring?
        forEachPair { pair, equals in
            if let equals, pair[..<equals] == key { value = pair[pair.utf8.index(after: equals)...] }
            return true
        }
        return value.map(String.init)
    }

    /// As long as it says so. Nothing between two semicolons is no pair.
    private func forEachPair(_ body: (Substring, _ equals: Substring.Index?) -> Bool) {
        var start = text.startIndex
        while start < text.endIndex {
            var end = start
            var equals: String.Index?
            while end < text.endIndex, text.utf8[end] != UInt8(ascii: ";") {
                if equals == nil, text.utf8[end] == UInt8(ascii: "=") { equals = end }
                end = text.utf8.index(after: end)
            }
            if start < end, !body(text[start..<end], equals) { return }
            guard end < text.endIndex else { return }
            start = text.utf8.index(after: end)
        }
    }
}
