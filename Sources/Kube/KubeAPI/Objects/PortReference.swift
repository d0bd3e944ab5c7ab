/// A port by its number, or by the name that a container or a service gives it (`IntOrString`).
public enum PortReference: Hashable, Sendable {
    case number(UInt16)
    case name(String)

    var tree: JSONValue {
        switch self {
        case .number(let number): .number(JSONNumber(Int64(number)))
        case .name(let name): .string(name)
        }
    }
}

extension FieldReader {
    /// `nil` when absent, 0 or empty. A text of digits is a name, as in Kubernetes, and a wrong one.
    public mutating func portReference(_ field: String) -> PortReference? {
        switch value(field) {
        case nil: return nil
        case .string(let text): return text.isEmpty ? nil : .name(text)
        case .number: return port(field).map(PortReference.number)
        default:
            _ = string(field)
            return nil
        }
    }
}

extension PortReference {
    func faults(at path: FieldPath) -> [FieldError] {
        guard case .name(let name) = self else { return [] }
        return NameRule.portName.faults(in: name).map { .invalid(path, .string(name), $0) }
    }
}
