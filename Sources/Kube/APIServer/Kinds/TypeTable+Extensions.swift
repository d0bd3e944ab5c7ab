/// Custom resource definitions.
extension TypeTable {
    static let extensionsTypes = #"""
        package io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1
        CustomResourceDefinition
          metadata ObjectMeta; spec! CustomResourceDefinitionSpec; status CustomResourceDefinitionStatus
        CustomResourceDefinitionSpec
          conversion CustomResourceConversion; group! string; names! CustomResourceDefinitionNames; preserveUnknownFields bool;
          scope! string; versions! [CustomResourceDefinitionVersion] atomic
        CustomResourceDefinitionStatus
          acceptedNames CustomResourceDefinitionNames; conditions [CustomResourceDefinitionCondition] keys(type);
          observedGeneration int64; storedVersions [string] atomic
        CustomResourceConversion
          strategy! string; webhook WebhookConversion
        CustomResourceDefinitionNames
          categories [string] atomic; kind! string; listKind string; plural! string; shortNames [string] atomic;
          singular string
        CustomResourceDefinitionVersion
          additionalPrinterColumns [CustomResourceColumnDefinition] atomic; deprecated bool; deprecationWarning string;
          name! string; schema CustomResourceValidation; selectableFields [SelectableField] atomic; served! bool; storage! bool;
          subresources CustomResourceSubresources
        CustomResourceDefinitionCondition
          lastTransitionTime time; message string; observedGeneration int64; reason string; status! string; type! string
        WebhookConversion
          clientConfig WebhookClientConfig; conversionReviewVersions! [string] atomic
        CustomResourceColumnDefinition
          description string; format string; jsonPath! string; name! string; priority int32; type! string
        CustomResourceValidation
          openAPIV3Schema JSONSchemaProps
        SelectableField
          jsonPath! string
        CustomResourceSubresources
          scale CustomResourceSubresourceScale; status CustomResourceSubresourceStatus
        WebhookClientConfig
          caBundle bytes; service ServiceReference; url string
        JSONSchemaProps
          $ref string; $schema string; additionalItems any; additionalProperties any; allOf [JSONSchemaProps] atomic;
          anyOf [JSONSchemaProps] atomic; default any; definitions {JSONSchemaProps}; dependencies {any}; description string;
          enum [any] atomic; example any; exclusiveMaximum bool; exclusiveMinimum bool; externalDocs ExternalDocumentation;
          format string; id string; items any; maxItems int64; maxLength int64; maxProperties int64; maximum double;
          minItems int64; minLength int64; minProperties int64; minimum double; multipleOf double; not JSONSchemaProps;
          nullable bool; oneOf [JSONSchemaProps] atomic; pattern string; patternProperties {JSONSchemaProps};
          properties {JSONSchemaProps}; required [string] atomic; title string; type string; uniqueItems bool;
          x-kubernetes-embedded-resource bool; x-kubernetes-int-or-string bool; x-kubernetes-list-map-keys [string] atomic;
          x-kubernetes-list-type string; x-kubernetes-map-type string; x-kubernetes-preserve-unknown-fields bool;
          x-kubernetes-validations [ValidationRule] merge(rule) keys(rule)
        CustomResourceSubresourceScale
          labelSelectorPath string; specReplicasPath! string; statusReplicasPath! string
        CustomResourceSubresourceStatus
        ServiceReference
          name! string; namespace! string; path string; port int32
        ExternalDocumentation
          description string; url string
        ValidationRule
          fieldPath string; message string; messageExpression string; optionalOldSelf bool; reason string; rule! string
        """#
}
