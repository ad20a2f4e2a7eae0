<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

use SocialChannel\Exception\CallException;
use SocialChannel\Model\Error;
use SocialChannel\Model\ErrorKind;

/**
 * Writes the package's types as the library's documents.
 *
 * @internal
 */
final class Writer
{
    /**
     * @param array<string, mixed> $members by the names of the properties
     *
     * @return array<string, mixed>
     */
    public static function write(array $members): array
    {
        $document = [];
        foreach ($members as $name => $value) {
            $value = self::value($value);
            // An empty PHP array may be a list or a map, so it is omitted.
            if ($value !== null && $value !== [] && !$value instanceof Calls) {
                $document[Name::inDocument($name)] = $value;
            }
        }
        return $document;
    }

    private static function value(mixed $value): mixed
    {
        return match (true) {
            $value instanceof \BackedEnum => $value->value,
            $value instanceof \JsonSerializable => $value->jsonSerialize(),
            // Keys of maps belong to the caller, so they are not converted.
            is_array($value) => array_map(self::value(...), $value),
            default => $value,
        };
    }

    /** @param array<mixed>|\JsonSerializable|\stdClass $document */
    public static function json(#[\SensitiveParameter] array|\JsonSerializable|\stdClass $document): string
    {
        try {
            return json_encode($document, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        } catch (\JsonException $cause) {
            throw CallException::from(new Error(
                ErrorKind::InvalidArgument,
                'a value cannot be written as JSON: ' . $cause->getMessage(),
                'give text as UTF-8',
                'malformed_json',
            ), $cause);
        }
    }
}
