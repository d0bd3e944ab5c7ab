/// Where a field is in an object, written as kube-apiserver writes it: `spec.containers[0].ports[1].containerPort`,
/// `metadata.labels[app.kubernetes.io/name]`.
public struct FieldPath: Hashable, Sendable {
    public enum Element: Hashable, Sendable {
        /// A field of a structure.
        case field(String)
        /// An element of a list.
        case index(Int)
        /// An entry of a map, whose keys are data.
        case key(String)
    }

    public var elements: [Element]

    public init(elements: [Element] = []) {
        self.elements = elements
    }

    /// A path of fields from the top: `FieldPath("spec", "podCIDR")`.
    public init(_ fields: String...) {
        elements = fields.map(Element.field)
    }

    /// The object itself.
    public static let root = FieldPath(elements: [])
}

extension FieldPath {
    public func child(_ field: String) -> FieldPath { FieldPath(elements: elements + [.field(field)]) }
    public func index(_ position: Int) -> FieldPath { FieldPath(elements: elements + [.index(position)]) }
    public func key(_ key: String) -> FieldPath { FieldPath(elements: elements + [.key(key)]) }
}

extension FieldPath: CustomStringConvertible {
    public var description: String {
        var text = ""
        for element in elements {
            switch element {
            case .field(let name): text += text.isEmpty ? name : ".\(name)"
            case .index(let position): text += "[\(position)]"
            case .key(let key): text += "[\(key)]"
            }
        }
        return text
    }
}
