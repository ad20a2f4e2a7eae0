<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * A field of the publish form.
 */
final readonly class FormField implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** `title`, `text` and `visibility` fill these members of `Post`; any other name is an option. */
        public string $name,
        /** The label to display. */
        public string $label,
        /** A sentence below it. */
        public ?string $help,
        /** `flag`, `number`, `text`, `texts`, `choice`, `url`. */
        public string $kind,
        /** @var list<Choice> The choices of a `choice`. */
        #[ListOf(Choice::class)]
        public array $choices,
        /** Must be filled in. */
        public bool $required,
        /** @var bool|int|string|list<string>|null Null: unticked, empty, nothing chosen. */
        public mixed $defaultValue,
        /** The maximum length of a text. */
        public ?TextLimit $maxLength,
        /** @var list<string> Kinds of post it belongs to. */
        public array $appliesTo,
    ) {
    }
}
