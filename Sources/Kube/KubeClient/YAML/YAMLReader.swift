internal import KubeAPI
internal import Yams

/// Not to be taken for the node of a cluster.
private typealias YAMLNode = Yams.Node

/// Reads YAML as Kubernetes does: every document becomes the JSON it stands for.
struct YAMLReader {
    struct Document {
        var value: JSONValue
        /// Where it begins, from 1.
        var line: Int
    }

    struct Fault: Error {
        /// Which document, from 1.
        var document: Int
        var line: Int
        var message: String
    }

    /// Aliases make it possible to write a tree of billions of nodes in a few lines; no honest file has more nodes than bytes.
    private var budget: Int
    private var number = 0

    init(byteCount: Int) { budget = byteCount + 10_000 }

    /// The documents of a text, without the empty ones.
    static func documents(_ text: String) throws(Fault) -> [Document] {
        var reader = YAMLReader(byteCount: text.utf8.count)
        return try reader.documents(text)
    }

    private mutating func documents(_ text: String) throws(Fault) -> [Document] {
        var documents: [Document] = []
        let parser: Parser
        do { parser = try Parser(yaml: text, resolver: .basic) } catch { throw fault(error) }
        while true {
            number += 1
            let node: YAMLNode?
            do { node = try parser.nextRoot() } catch { throw fault(error) }
            guard let node else { return documents }
            let value = try value(node)
            if value != .null { documents.append(Document(value: value, line: node.mark?.line ?? 1)) }
        }
    }

    private func fault(_ error: any Error) -> Fault {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _), .composer(_, let problem, let mark, _):
            Fault(document: number, line: mark.line, message: problem)
        case .duplicatedKeysInMapping(let keys, let context):
            Fault(
                document: number, line: context.mark.line,
                message: "key \(keys.joined(separator: ", ")) is there twice in one map")
        default:
            Fault(document: number, line: 1, message: "\(error)")
        }
    }

    private func fault(_ node: YAMLNode, _ message: String) -> Fault {
        Fault(document: number, line: node.mark?.line ?? 1, message: message)
    }
}

// MARK: - Nodes

extension YAMLReader {
    private mutating func value(_ node: YAMLNode) throws(Fault) -> JSONValue {
        budget -= 1
        guard budget > 0 else { throw fault(node, "the aliases expand to far more than the file holds") }
        switch node {
        case .scalar(let scalar): return try value(scalar, of: node)
        case .sequence(let sequence):
            var elements: [JSONValue] = []
            elements.reserveCapacity(sequence.count)
            for element in sequence { elements.append(try value(element)) }
            return .array(elements)
        case .mapping(let mapping): return .object(try object(mapping))
        case .alias: throw fault(node, "an alias without its anchor")
        }
    }

    private func value(_ scalar: YAMLNode.Scalar, of node: YAMLNode) throws(Fault) -> JSONValue {
        let tag = scalar.tag.rawValue
        let isPlain = scalar.style == .plain || scalar.style == .any
        switch tag {
        case Tag.Name.implicit.rawValue where isPlain: return try plain(scalar.string, of: node)
        case Tag.Name.implicit.rawValue, Tag.Name.str.rawValue, Tag.Name.nonSpecific.rawValue, Tag.Name.timestamp.rawValue:
            return .string(scalar.string)
        case Tag.Name.null.rawValue, Tag.Name.bool.rawValue, Tag.Name.int.rawValue, Tag.Name.float.rawValue:
            let value = try plain(scalar.string, of: node)
            let isMeant =
                switch value {
                case .null: tag == Tag.Name.null.rawValue
                case .bool: tag == Tag.Name.bool.rawValue
                case .number: tag == Tag.Name.int.rawValue || tag == Tag.Name.float.rawValue
                default: false
                }
            guard isMeant else { throw fault(node, "\"\(scalar.string)\" is not what its tag \(tag) says") }
            return value
        default: throw fault(node, "the tag \(tag) has no meaning in JSON")
        }
    }

    private func plain(_ text: String, of node: YAMLNode) throws(Fault) -> JSONValue {
        do {
            return try YAMLScalar.value(text)
        } catch {
            throw fault(node, "\(text) is a number that JSON cannot say; quote it if it is meant as text")
        }
    }

    private mutating func object(_ mapping: YAMLNode.Mapping) throws(Fault) -> JSONObject {
        var object = JSONObject()
        var merged: [JSONObject] = []
        for (keyNode, valueNode) in mapping {
            if keyNode.scalar?.style == .plain, keyNode.scalar?.string == "<<" {
                merged += try mergeSources(valueNode)
                continue
            }
            let key = try key(keyNode)
            // Two keys may differ in YAML and be one in JSON: `yes` and `true`.
            guard object[key] == nil else { throw fault(keyNode, "key \(key) is there twice in one map") }
            object[key] = try value(valueNode)
        }
        // What the map says itself wins over what it merges, the first merged over the later ones.
        for source in merged {
            for member in source.members where object[member.key] == nil { object[member.key] = member.value }
        }
        return object
    }

    private mutating func mergeSources(_ node: YAMLNode) throws(Fault) -> [JSONObject] {
        switch node {
        case .mapping(let mapping): return [try object(mapping)]
        case .sequence(let sequence):
            var sources: [JSONObject] = []
            for element in sequence {
                guard case .mapping(let mapping) = element else { throw fault(node, "only maps can be merged") }
                sources.append(try object(mapping))
            }
            return sources
        default: throw fault(node, "only maps can be merged")
        }
    }

    /// Keys become strings: a number or a boolean the one it is read as, so that `yes:` is the key `true`.
    private func key(_ node: YAMLNode) throws(Fault) -> String {
        guard case .scalar(let scalar) = node else { throw fault(node, "a key must be a string") }
        // Looking for duplicates has already put a tag on every key, so that only the style tells what was written.
        guard scalar.style == .plain else { return scalar.string }
        switch try plain(scalar.string, of: node) {
        case .null: throw fault(node, "a key must not be null")
        case .bool(let value): return value ? "true" : "false"
        case .number(let number): return number.description
        default: return scalar.string
        }
    }
}
