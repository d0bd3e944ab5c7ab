/// What a strategic merge patch needs to know of the fields at one place of a kind.
///
/// A place the table does not describe has no strategies: maps are merged by member, lists replaced.
public struct MergeSchema: Hashable, Sendable {
    private enum Place: Hashable, Sendable {
        case structure(String)
        /// A map whose values have one form.
        case map(FieldForm)
        case unknown
    }

    private let place: Place

    /// The top of a built-in kind; of a custom one nothing is known.
    public init(_ kind: ServedKind) {
        place = kind.isCustom ? .unknown : .structure(kind.typeName)
    }

    private init(_ form: FieldForm?) {
        switch form {
        case .structure(let name): place = .structure(name)
        case .map(let value): place = .map(value)
        default: place = .unknown
        }
    }

    /// How the patch treats a member, and what is known inside it: of its elements where it is a list.
    func member(_ name: String) -> (strategy: FieldDefinition.MergeStrategy, inside: MergeSchema) {
        switch place {
        case .structure(let type):
            let field = TypeTable.standard.types[type]?.field(name)
            if case .list(let element) = field?.form { return (field?.merge ?? .init(), MergeSchema(element)) }
            return (field?.merge ?? .init(), MergeSchema(field?.form))
        case .map(.list(let element)): return (.init(), MergeSchema(element))
        case .map(let value): return (.init(), MergeSchema(value))
        case .unknown: return (.init(), MergeSchema(nil as FieldForm?))
        }
    }
}
