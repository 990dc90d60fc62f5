"""PyTorch's "Training a Classifier" tutorial, with the imports changed and nothing else that matters.

    python examples/tutorial_cnn.py --data ~/data     # a folder with cifar-10-batches-py or its tar.gz
    python examples/tutorial_cnn.py                   # without CIFAR-10: handwritten digits, enlarged and coloured

Tutorial: https://pytorch.org/tutorials/beginner/blitz/cifar10_tutorial.html
"""

from __future__ import annotations

import argparse

import minitorch as torch
import minitorch.nn as nn
import minitorch.nn.functional as F
import minitorch.optim as optim
import minitorch.vision as torchvision
import minitorch.vision.transforms as transforms


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def load(options):
    transform = [transforms.ToTensor(), transforms.Normalize((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))]
    if options.data is not None:
        kind, arguments = torchvision.datasets.CIFAR10, {"root": options.data}
    else:
        kind, arguments = torchvision.datasets.Digits, {}
        transform = [transforms.Resize((32, 32)), transforms.Grayscale(3), *transform]
    transform = transforms.Compose(transform)
    return [kind(train=train, transform=transform, **arguments) for train in (True, False)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", default=None, help="folder of CIFAR-10; without it, digits are used"
    )
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--lr", type=float, default=0.001)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--steps", type=int, default=None, help="stop an epoch after so many batches"
    )
    parser.add_argument("--save", default=None, help="where the trained weights go")
    options = parser.parse_args()

    torch.manual_seed(0)
    trainset, testset = load(options)
    trainloader = torch.utils.data.DataLoader(
        trainset, batch_size=options.batch_size, shuffle=True, num_workers=options.workers
    )
    testloader = torch.utils.data.DataLoader(testset, batch_size=64, shuffle=False)
    classes = trainset.classes

    net = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=options.lr, momentum=0.9)

    for epoch in range(options.epochs):
        running_loss, count = 0.0, 0
        for i, data in enumerate(trainloader, 0):
            if i == options.steps:
                break
            inputs, labels = data
            optimizer.zero_grad()
            outputs = net(inputs)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()

            running_loss += loss.item()
            count += 1
            if i % 100 == 99:
                print(f"[{epoch + 1}, {i + 1:5d}] loss: {running_loss / count:.3f}", flush=True)
                running_loss, count = 0.0, 0

    if options.save is not None:
        torch.save(net.state_dict(), options.save)
        net = Net()
        net.load_state_dict(torch.load(options.save, weights_only=True))

    correct_pred = dict.fromkeys(classes, 0)
    total_pred = dict.fromkeys(classes, 0)
    with torch.no_grad():
        for images, labels in testloader:
            outputs = net(images)
            _, predictions = torch.max(outputs, 1)
            for label, prediction in zip(labels, predictions, strict=True):
                if label == prediction:
                    correct_pred[classes[label]] += 1
                total_pred[classes[label]] += 1
    for classname, correct_count in correct_pred.items():
        if total_pred[classname]:
            accuracy = 100 * float(correct_count) / total_pred[classname]
            print(f"Accuracy for class: {classname:5s} is {accuracy:.1f} %")
    total = sum(total_pred.values())
    share = 100 * sum(correct_pred.values()) / total
    print(f"Accuracy of the network on the {total} test images: {share:.1f} %")


if __name__ == "__main__":
    main()
