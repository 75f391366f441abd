"""template.yaml as CloudFormation reads it: SAM expanded offline, and conditions evaluated for a set of parameters."""

import re
from copy import deepcopy
from functools import cache, cached_property
from pathlib import Path

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

ROOT = Path(__file__).resolve().parents[2]
PSEUDO = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "lambda-scale",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()


@cache
def source(name="template.yaml"):
    return yaml_parse((ROOT / name).read_text())


@cache
def expanded():
    """The template after the transform of CloudFormation."""
    template = deepcopy(source())
    # As after `aws cloudformation package`.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    session = boto3.Session(region_name=PSEUDO["AWS::Region"])
    return Translator({}, Parser(), boto_session=session).translate(template, {})


class Stack:
    """The resources of a deployment with these parameters. A reference to a resource reads `<Name>`, to its attribute
    `<Name.Attribute>`."""

    def __init__(self, parameters=None, template=None):
        template = template or source()
        self.parameters = {
            name: str((parameters or {}).get(name, definition.get("Default", f"<{name}>")))
            for name, definition in template["Parameters"].items()
        }
        unknown = set(parameters or {}) - set(self.parameters)
        assert not unknown, f"there are no parameters {unknown}"
        self.rules = template.get("Rules", {})
        self.lists = {name for name, definition in template["Parameters"].items() if "List" in definition["Type"]}
        self.conditions = template.get("Conditions", {})
        self.mappings = template.get("Mappings", {})
        if "Transform" in template:
            template = expanded()
        self.template = template

    @cached_property
    def resources(self):
        """The created resources, with every property evaluated."""
        return {
            name: self.evaluated(resource)
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }

    @property
    def refusals(self):
        """The messages of the rules that refuse this stack."""
        return [
            assertion["AssertDescription"]
            for rule in self.rules.values()
            if "RuleCondition" not in rule or self.holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not self.holds(assertion["Assert"])
        ]

    @cached_property
    def outputs(self):
        return {
            name: self.evaluated(output["Value"])
            for name, output in self.template["Outputs"].items()
            if "Condition" not in output or self.holds(output["Condition"])
        }

    def of_type(self, kind):
        return {name: found["Properties"] for name, found in self.resources.items() if found["Type"] == kind}

    def holds(self, condition):
        if isinstance(condition, str):
            return self.holds(self.conditions[condition])
        [(function, argument)] = condition.items()
        match function:
            case "Condition":
                return self.holds(argument)
            case "Fn::Equals":
                left, right = (str(self.evaluated(side)) for side in argument)
                return left == right
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(self.holds(part) for part in argument)
            case "Fn::Or":
                return any(self.holds(part) for part in argument)
        raise AssertionError(f"condition {function} is not supported here")

    def evaluated(self, value):
        if isinstance(value, list):
            return [part for part in map(self.evaluated, value) if part is not NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(function, argument)] = value.items()
            match function:
                case "Ref":
                    return self.reference(argument)
                case "Fn::GetAtt":
                    return f"<{argument if isinstance(argument, str) else '.'.join(argument)}>"
                case "Fn::If":
                    return self.evaluated(argument[1 if self.holds(argument[0]) else 2])
                case "Fn::Join":
                    return argument[0].join(map(str, self.evaluated(argument[1])))
                case "Fn::Split":
                    return self.evaluated(argument[1]).split(argument[0])
                case "Fn::FindInMap":
                    name, first, second = map(self.evaluated, argument)
                    return self.mappings[name][first][second]
                case "Fn::Sub":
                    text, names = (argument, {}) if isinstance(argument, str) else argument
                    names = {name: self.evaluated(inner) for name, inner in names.items()}
                    found = re.sub(r"\$\{([^!}]+)\}", lambda match: str(names.get(match[1], self.reference(match[1]))), text)
                    return found.replace("${!", "${")
                case "Fn::Base64":
                    return self.evaluated(argument)
        found = {name: self.evaluated(inner) for name, inner in value.items()}
        return {name: inner for name, inner in found.items() if inner is not NOTHING}

    def reference(self, name):
        if name == "AWS::NoValue":
            return NOTHING
        if name in self.lists:
            return [part for part in self.parameters[name].split(",") if part]
        return PSEUDO.get(name) or self.parameters.get(name, f"<{name}>")


def statements(policy):
    return policy["Statement"]


def actions(statement):
    return {statement["Action"]} if isinstance(statement["Action"], str) else set(statement["Action"])
