"""template.yaml as CloudFormation sees it: SAM expanded offline, and conditions decided for a set of parameters."""

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
    """What CloudFormation's own transform makes of it."""
    template = deepcopy(source())
    # As `aws cloudformation package` leaves it.
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    session = boto3.Session(region_name=PSEUDO["AWS::Region"])
    return Translator({}, Parser(), boto_session=session).translate(template, {})


class Stack:
    """What a deployment with these parameters makes. A reference to a resource reads `<Name>`, to its attribute
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
        """Those that are made, every property decided."""
        return {
            name: self.decided(resource)
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }

    @property
    def refusals(self):
        """Why CloudFormation would not make this stack: what the rules that are broken say."""
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
            name: self.decided(output["Value"])
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
                left, right = (str(self.decided(side)) for side in argument)
                return left == right
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(self.holds(part) for part in argument)
            case "Fn::Or":
                return any(self.holds(part) for part in argument)
        raise AssertionError(f"condition {function} is not known here")

    def decided(self, value):
        if isinstance(value, list):
            return [part for part in map(self.decided, value) if part is not NOTHING]
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
                    return self.decided(argument[1 if self.holds(argument[0]) else 2])
                case "Fn::Join":
                    return argument[0].join(map(str, self.decided(argument[1])))
                case "Fn::Split":
                    return self.decided(argument[1]).split(argument[0])
                case "Fn::FindInMap":
                    name, first, second = map(self.decided, argument)
                    return self.mappings[name][first][second]
                case "Fn::Sub":
                    text, names = (argument, {}) if isinstance(argument, str) else argument
                    names = {name: self.decided(inner) for name, inner in names.items()}
                    found = re.sub(r"\$\{([^!}]+)\}", lambda match: str(names.get(match[1], self.reference(match[1]))), text)
                    return found.replace("${!", "${")
                case "Fn::Base64":
                    return self.decided(argument)
        decided = {name: self.decided(inner) for name, inner in value.items()}
        return {name: inner for name, inner in decided.items() if inner is not NOTHING}

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
