import KubeAPI

/// Looks at one object of a tree and collects what is wrong with it, each fault with its path.
///
/// It reads leniently: a field of the wrong form is ``Decoding``'s matter and is passed over here.
struct Checker {
    var object: JSONObject
    var path: FieldPath
    private(set) var faults: [FieldError] = []

    init(_ value: JSONValue?, at path: FieldPath) {
        object = value?.object ?? JSONObject()
        self.path = path
    }

    mutating func report(_ fault: FieldError) { faults.append(fault) }
    mutating func report(_ more: [FieldError]) { faults += more }

    func path(_ field: String) -> FieldPath { path.child(field) }
    func string(_ field: String) -> String { object.string(field) }
    func integer(_ field: String) -> Int64? { object[field]?.integer }
    func isMissing(_ field: String) -> Bool { object.isMissing(field) }

    // MARK: Inside

    mutating func inside(_ field: String, _ check: (inout Checker) -> Void) {
        guard let value = object[field], value.object != nil else { return }
        var checker = Checker(value, at: path(field))
        check(&checker)
        faults += checker.faults
    }

    /// Every object of a list, with its position.
    mutating func each(_ field: String, _ check: (inout Checker, Int) -> Void) {
        for (position, element) in (object[field]?.array ?? []).enumerated() where element.object != nil {
            var checker = Checker(element, at: path(field).index(position))
            check(&checker, position)
            faults += checker.faults
        }
    }

    // MARK: Plain fields

    mutating func require(_ field: String, _ detail: String = "") {
        let isEmpty = isMissing(field) || object[field] == "" || object[field]?.array?.isEmpty == true
        if isEmpty { report(.required(path(field), detail)) }
    }

    /// A text by the rule of names; an empty one is not looked at.
    mutating func name(_ field: String, _ rule: NameRule) {
        let text = string(field)
        guard !text.isEmpty else { return }
        report(rule.faults(in: text).map { .invalid(path(field), .string(text), $0) })
    }

    /// A word out of a fixed set; an empty one is not looked at.
    mutating func word(_ field: String, _ allowed: [String]) {
        let text = string(field)
        guard !text.isEmpty, !allowed.contains(text) else { return }
        report(.notSupported(path(field), .string(text), allowed.sorted()))
    }

    mutating func atLeast(_ field: String, _ least: Int64) {
        guard let number = integer(field), number < least else { return }
        report(.invalid(path(field), .number(JSONNumber(number)), "must be greater than or equal to \(least)"))
    }

    mutating func portNumber(_ field: String, isRequired: Bool = false) {
        guard let number = integer(field), isRequired || number != 0 else {
            if isRequired { report(.required(path(field))) }
            return
        }
        guard !(1...65535).contains(number) else { return }
        report(.invalid(path(field), .number(JSONNumber(number)), Wording.port))
    }

    /// A number or a name, as probes and services point at ports.
    mutating func portNumberOrName(_ field: String, isRequired: Bool = true) {
        switch object[field] {
        case .number: portNumber(field, isRequired: true)
        case .string(let text):
            report(NameRule.portName.faults(in: text).map { .invalid(path(field), .string(text), $0) })
        default: if isRequired { report(.required(path(field))) }
        }
    }

    /// Fields that must stay as they were.
    mutating func keep(_ fields: String..., from old: JSONValue?, _ detail: String = Wording.immutable) {
        guard let old else { return }
        for field in fields where !same(object[field], old[field]) {
            report(.invalid(path(field), object[field] ?? .null, detail))
        }
    }
}

/// Absent and null are the same.
func same(_ a: JSONValue?, _ b: JSONValue?) -> Bool { (a ?? .null) == (b ?? .null) }

/// kube-apiserver's sentences.
enum Wording {
    static let immutable = "field is immutable"
    static let port = "must be between 1 and 65535, inclusive"
    static let number = "must be greater than or equal to 0"
}
