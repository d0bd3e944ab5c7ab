/// One step from one state to another.
public enum Change: Hashable, Sendable {
    case add(Object)
    case remove(Object)
    /// The object is there and becomes another with the same key.
    case change(from: Object, to: Object)

    /// The object the step is about: for a change, what it becomes.
    public var object: Object {
        switch self {
        case .add(let object), .remove(let object), .change(_, let object): object
        }
    }
}

extension Change: CustomStringConvertible {
    /// `+` for an addition, `-` for a removal, `~` for a change, then what is added, removed or becomes.
    public var description: String {
        switch self {
        case .add(let object): "+ \(object)"
        case .remove(let object): "- \(object)"
        case .change(_, let object): "~ \(object)"
        }
    }
}
