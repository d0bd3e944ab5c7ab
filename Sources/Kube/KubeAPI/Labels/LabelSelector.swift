/// Which labels are meant: all requirements must hold. Without requirements it selects everything.
///
/// What an *absent* selector means (everything, or nothing) differs from field to field, so it is the owner's `nil`.
public struct LabelSelector: Hashable, Sendable {
    public enum Operator: String, Hashable, Sendable, CaseIterable {
        case `in` = "In"
        case notIn = "NotIn"
        case exists = "Exists"
        case doesNotExist = "DoesNotExist"
    }

    public struct Requirement: Hashable, Sendable {
        public var key: String
        public var `operator`: Operator
        /// At least one for ``Operator/in`` and ``Operator/notIn``, none for the others.
        public var values: [String]

        public init(_ key: String, _ operator: Operator, _ values: [String] = []) {
            self.key = key
            self.operator = `operator`
            self.values = values
        }
    }

    public var requirements: [Requirement]

    public init(_ requirements: [Requirement] = []) {
        self.requirements = requirements
    }

    /// Exactly these labels, among others.
    public init(matching labels: [String: String]) {
        requirements = labels.sorted { $0.key < $1.key }.map { Requirement($0.key, .in, [$0.value]) }
    }
}

extension LabelSelector {
    public func matches(_ labels: [String: String]) -> Bool {
        requirements.allSatisfy { $0.matches(labels) }
    }
}

extension LabelSelector.Requirement {
    /// A missing key satisfies `NotIn` and `DoesNotExist`.
    public func matches(_ labels: [String: String]) -> Bool {
        let value = labels[key]
        return switch self.operator {
        case .in: value.map(values.contains) ?? false
        case .notIn: !(value.map(values.contains) ?? false)
        case .exists: value != nil
        case .doesNotExist: value == nil
        }
    }

    func faults(at path: FieldPath) -> [FieldError] {
        var errors = NameRule.qualifiedName.faults(in: key).map { FieldError.invalid(path.child("key"), .string(key), $0) }
        switch (self.operator, values.isEmpty) {
        case (.in, true), (.notIn, true):
            errors.append(.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"))
        case (.exists, false), (.doesNotExist, false):
            errors.append(.forbidden(path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"))
        default: break
        }
        for (position, value) in values.enumerated() {
            errors += NameRule.labelValue.faults(in: value).map {
                .invalid(path.child("values").index(position), .string(value), $0)
            }
        }
        return errors
    }
}

extension FieldReader {
    /// A `metav1.LabelSelector` with `matchLabels` and `matchExpressions`, validated as it is read; `nil` when absent.
    ///
    /// A requirement that is wrong is reported and kept out of the result, so the caller must not use a selector that came
    /// with errors: without its wrong part it selects more.
    public mutating func selector(_ field: String) -> LabelSelector? {
        object(field) { fields in
            var selector = LabelSelector(matching: fields.map("matchLabels"))
            let path = fields.path("matchLabels")
            for requirement in selector.requirements {
                for fault in NameRule.qualifiedName.faults(in: requirement.key) {
                    fields.report(.invalid(path, .string(requirement.key), fault))
                }
                for value in requirement.values {
                    for fault in NameRule.labelValue.faults(in: value) {
                        fields.report(.invalid(path.key(requirement.key), .string(value), fault))
                    }
                }
            }
            selector.requirements += fields.list("matchExpressions") { $0.requirement() }.compactMap(\.self)
            return selector
        }
    }

    private mutating func requirement() -> LabelSelector.Requirement? {
        let word = string("operator") ?? ""
        let (key, values) = (string("key") ?? "", strings("values"))
        guard let known = LabelSelector.Operator(rawValue: word) else {
            report(.invalid(path("operator"), .string(word), "not a valid selector operator"))
            return nil
        }
        let requirement = LabelSelector.Requirement(key, known, values)
        let before = errors.count
        for error in requirement.faults(at: path) { report(error) }
        return errors.count == before ? requirement : nil
    }
}
