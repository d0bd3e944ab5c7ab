public import KubeAPI

// Validation of a custom object, in the words of kube-openapi, which say the path a second time.

extension StructuralSchema {
    /// Everything that is wrong with the value.
    public func faults(of value: JSONValue, at path: FieldPath = .root) -> [FieldError] {
        if value.isNull && isNullable { return [] }
        guard let fault = formFault(value, path) else {
            return limits.faults(of: value, path) + insideFaults(value, path) + combinedFaults(value, path)
        }
        return [fault]
    }

    private func formFault(_ value: JSONValue, _ path: FieldPath) -> FieldError? {
        let isRight =
            switch (type, value) {
            case (_, .string) where isIntegerOrString: true
            case (_, .number(let number)) where isIntegerOrString: number.integer != nil
            case ("", _) where !isIntegerOrString: true
            case ("string", .string), ("boolean", .bool), ("object", .object), ("array", .array), ("number", .number): true
            case ("integer", .number(let number)): number.integer != nil
            default: false
            }
        if isRight { return nil }
        let wanted = isIntegerOrString ? "integer,string" : type
        return .typeInvalid(path, .string(value.form), "\(path) in body must be of type \(wanted): \"\(value.form)\"")
    }

    private func insideFaults(_ value: JSONValue, _ path: FieldPath) -> [FieldError] {
        switch value {
        case .object(let object):
            let missing = required.filter { object[$0] == nil }.map { FieldError.required(path.child($0)) }
            return missing
                + object.members.flatMap { member -> [FieldError] in
                    if let schema = properties[member.key] {
                        return schema.faults(of: member.value, at: path.child(member.key))
                    }
                    return additional.first?.faults(of: member.value, at: path.child(member.key)) ?? []
                }
        case .array(let elements):
            let inside = items.first.map { schema in
                elements.enumerated().flatMap { schema.faults(of: $1, at: path.index($0)) }
            }
            return (inside ?? []) + repeatFaults(elements, path)
        default: return []
        }
    }

    /// Lists that are maps or sets hold nothing twice.
    private func repeatFaults(_ elements: [JSONValue], _ path: FieldPath) -> [FieldError] {
        guard isSet || !listKeys.isEmpty else { return [] }
        var seen: Set<JSONValue> = []
        return elements.enumerated().compactMap { position, element in
            var name = element
            if !isSet {
                var keys = JSONObject()
                for key in listKeys { keys[key] = element[key] }
                name = .object(keys)
            }
            return seen.insert(name).inserted ? nil : .duplicate(path.index(position), name)
        }
    }

    private func combinedFaults(_ value: JSONValue, _ path: FieldPath) -> [FieldError] {
        var faults = allOf.flatMap { $0.faults(of: value, at: path) }
        func fault(_ text: String) -> FieldError { .invalid(path, .string(""), "\"\(path)\" \(text)") }
        if !anyOf.isEmpty, !anyOf.contains(where: { $0.faults(of: value, at: path).isEmpty }) {
            faults.append(fault("must validate at least one schema (anyOf)"))
        }
        if !oneOf.isEmpty {
            let count = oneOf.count { $0.faults(of: value, at: path).isEmpty }
            if count != 1 {
                let found = count == 0 ? "Found none valid" : "Found \(count) valid alternatives"
                faults.append(fault("must validate one and only one schema (oneOf). \(found)"))
            }
        }
        if let schema = not.first, schema.faults(of: value, at: path).isEmpty {
            faults.append(fault("must not validate the schema (not)"))
        }
        return faults
    }
}

extension StructuralSchema.Limits {
    fileprivate func faults(of value: JSONValue, _ path: FieldPath) -> [FieldError] {
        if let allowed, !allowed.contains(value) {
            return [.notSupported(path, value, allowed.map { $0.string ?? $0.description })]
        }
        return switch value {
        case .string(let text): stringFaults(text, path)
        case .number(let number): numberFaults(number, path)
        case .array(let elements): listFaults(elements, path)
        case .object(let object): mapFaults(object, path)
        default: []
        }
    }

    private func stringFaults(_ text: String, _ path: FieldPath) -> [FieldError] {
        var faults: [FieldError] = []
        let count = text.unicodeScalars.count
        if let minLength, count < minLength {
            faults.append(.invalid(path, .string(text), "\(path) in body should be at least \(minLength) chars long"))
        }
        if let maxLength, count > maxLength { faults.append(.tooLong(path, limit: maxLength)) }
        if let pattern, let matcher, !matcher.isFound(in: text) {
            faults.append(.invalid(path, .string(text), "\(path) in body should match '\(pattern)'"))
        }
        if let format, StringFormat(rawValue: format)?.holds(text) == false {
            faults.append(.invalid(path, .string(text), "\(path) in body must be of type \(format): \"\(text)\""))
        }
        return faults
    }

    private func numberFaults(_ number: JSONNumber, _ path: FieldPath) -> [FieldError] {
        var faults: [FieldError] = []
        func fault(_ text: String) { faults.append(.invalid(path, .number(number), "\(path) in body should be \(text)")) }
        if let minimum, number.double < minimum.double || excludesMinimum && number.double == minimum.double {
            fault(excludesMinimum ? "greater than \(minimum)" : "greater than or equal to \(minimum)")
        }
        if let maximum, number.double > maximum.double || excludesMaximum && number.double == maximum.double {
            fault(excludesMaximum ? "less than \(maximum)" : "less than or equal to \(maximum)")
        }
        if let multipleOf, multipleOf.double > 0, number.double.remainder(dividingBy: multipleOf.double) != 0 {
            fault("a multiple of \(multipleOf)")
        }
        return faults
    }

    private func listFaults(_ elements: [JSONValue], _ path: FieldPath) -> [FieldError] {
        var faults: [FieldError] = []
        if let minItems, elements.count < minItems {
            let value = JSONValue.integer(elements.count)
            faults.append(.invalid(path, value, "\(path) in body should have at least \(minItems) items"))
        }
        if let maxItems, elements.count > maxItems { faults.append(.tooMany(path, elements.count, limit: maxItems)) }
        if wantsUnique, Set(elements).count < elements.count {
            faults.append(.invalid(path, .array(elements), "\(path) in body shouldn't contain duplicates"))
        }
        return faults
    }

    private func mapFaults(_ object: JSONObject, _ path: FieldPath) -> [FieldError] {
        var faults: [FieldError] = []
        if let minProperties, object.count < minProperties {
            let value = JSONValue.integer(object.count)
            faults.append(.invalid(path, value, "\(path) in body should have at least \(minProperties) properties"))
        }
        if let maxProperties, object.count > maxProperties {
            faults.append(.tooMany(path, object.count, limit: maxProperties))
        }
        return faults
    }
}
